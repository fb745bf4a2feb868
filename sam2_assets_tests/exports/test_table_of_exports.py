"""The documentation says of every real export what becomes of it, and it is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.errors import Sam2AssetsError
from sam2_assets.exports import read_export
from sam2_assets.quality import QualitySettings, Stage, assess
from sam2_assets.tables import Tables
from sam2_assets_tests.conftest import SHARED_EXPORTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
CLIP = "_synthetic_640x360_24fps"
# with their video: one of each kind, since decoding a video takes seconds
WITH_VIDEO = {
    "variants/code_9f98fb5_v2.zip": CLIP,
    "variants/doc_architecture_md.zip": CLIP,
    "variants/seed_appendix.zip": CLIP,
    "variants/v0a_c7eee73_all_empty.zip": CLIP,
    "variants/v1g_HEAD_fps0.5.zip": CLIP,
    "demo/davis_dog.zip": "davis_dog",
}


def table() -> dict[str, list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition("## Every export at hand")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def outcome(archive: Path, out: Path, video: Path | None) -> tuple[str, str]:
    """Result and what stops it, as the table says it."""
    out.mkdir()
    try:
        read_export(archive, out, video=video)
    except Sam2AssetsError as error:
        return f"refused: `{error.code}`", "-"
    findings = assess(Tables.read(out), out, QualitySettings())
    stopping = sorted({verdict.check_id for stage in Stage for verdict in findings.stopping(stage)})
    return "read", ", ".join(f"`{name}`" for name in stopping) or "nothing"


def test_every_export_beside_the_checkout_is_in_the_table(shared_exports: Path) -> None:
    found = {f"{path.parent.name}/{path.name}" for path in shared_exports.glob("*/*.zip")}
    assert found == set(table())


@pytest.mark.parametrize("name", table())
def test_an_export_meets_the_fate_that_the_table_tells(shared_exports: Path, tmp_path: Path, name: str) -> None:
    result, stopped_by, with_video = table()[name]
    assert outcome(SHARED_EXPORTS / name, tmp_path / "plain", None) == (result, stopped_by)
    if name in WITH_VIDEO:
        video = shared_exports / "sources" / f"{WITH_VIDEO[name]}.mp4"
        assert outcome(SHARED_EXPORTS / name, tmp_path / "video", video) == ("read", with_video)
