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
    imports = {name: import_record(line.root, name) for name in ("clip-aa11", "clip-bb22", "clip-cc33")}
    write_repository(line.adapter, line.evaluation, line.plan, line.splits, out, imports=imports)
    return out


def import_record(root: Path, name: str) -> Path:
    """What an import notes: the boxes of every video were wrong, the clock of one."""
    folder = root / f"raw_export-{name}"
    folder.mkdir()
    repairs = [{"what": "box_recomputed", "count": 137, "why": "the stated box is not the mask's", "examples": []}]
    if name == "clip-bb22":
        repairs.append({"what": "fps", "count": 1, "why": "taken from the source video", "examples": []})
    (folder / "import.json").write_text(json.dumps({"repairs": repairs, "decisions": [], "warnings": []}))
    return folder
