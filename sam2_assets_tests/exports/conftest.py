"""Fixtures of the importer's tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sam2_assets.errors import Sam2AssetsError
from sam2_assets.exports import ExportSummary, ImportSettings, read_export
from sam2_assets.tables import Tables
from sam2_assets_tests.exports.export_builder import Export


@dataclass(frozen=True)
class Imported:
    folder: Path
    summary: ExportSummary
    tables: Tables
    record: dict[str, Any]

    def decision(self, what: str) -> dict[str, Any]:
        return next(each for each in self.record["decisions"] if each["what"] == what)

    def repair(self, what: str) -> dict[str, Any]:
        return next(each for each in self.record["repairs"] if each["what"] == what)


@dataclass
class Reader:
    """Reads exports into fresh folders."""

    folder: Path
    count: int = 0

    def fresh(self) -> Path:
        self.count += 1
        out = self.folder / f"out{self.count}"
        out.mkdir()
        return out

    def __call__(self, export: Export | Path, **options: Any) -> Imported:
        path = export if isinstance(export, Path) else export.write(self.folder / f"export{self.count}.zip")
        out = self.fresh()
        if "settings" in options:
            options["settings"] = ImportSettings(**options["settings"])
        summary = read_export(path, out, **options)
        record = json.loads((out / "import.json").read_text(encoding="utf-8"))
        return Imported(out, summary, Tables.read(out), record)

    def refused(self, export: Export | Path, **options: Any) -> Sam2AssetsError:
        """The error of an import that must fail, after checking that it left nothing behind."""
        with pytest.raises(Sam2AssetsError) as caught:
            self(export, **options)
        assert list((self.folder / f"out{self.count}").iterdir()) == []
        assert "\n" not in str(caught.value)
        assert caught.value.remedy
        return caught.value


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)
