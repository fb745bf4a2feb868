"""The measured line, shared with the evaluation tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam2_assets.packaging import write_repository
from sam2_assets_tests.evaluation.line import Line, measured_line


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return measured_line(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def repository(line: Line) -> Path:
    out = line.root / "repository"
    write_repository(
        line.adapter, line.evaluation, line.plan, line.splits, out, imports={"clip-aa11": import_record(line.root)}
    )
    return out


def import_record(root: Path) -> Path:
    folder = root / "raw_export"
    folder.mkdir()
    repairs = [{"what": "box_recomputed", "count": 137, "why": "median IoU of stated and true 0.004", "examples": []}]
    (folder / "import.json").write_text(json.dumps({"repairs": repairs, "decisions": [], "warnings": []}))
    return folder
