"""Real exports: clean ones go through, and the demo's stop at nothing but their painted pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.exports import read_export
from sam2_assets.quality import Findings, QualitySettings, Severity, Stage, assess
from sam2_assets.tables import Tables


def assess_export(archive: Path, out: Path, video: Path | None = None) -> Findings:
    out.mkdir()
    read_export(archive, out, video=video)
    return assess(Tables.read(out), out, QualitySettings())


@pytest.mark.parametrize("name", ["davis_motocross-jump", "davis_kite-surf", "davis_soapbox"])
def test_a_clean_export_has_no_error(shared_exports: Path, tmp_path: Path, name: str) -> None:
    findings = assess_export(shared_exports / "clean" / f"{name}.zip", tmp_path / "raw")
    assert findings.failing(Severity.ERROR) == ()
    assert findings.verdict("declared_box_differs").count == 0


def test_a_demo_export_stops_only_at_its_painted_pictures(shared_exports: Path, tmp_path: Path) -> None:
    findings = assess_export(shared_exports / "demo" / "davis_dog.zip", tmp_path / "raw")
    assert [v.check_id for v in findings.failing(Severity.ERROR)] == ["burnt_in_overlay"]
    assert findings.stopping(Stage.INSTRUCTION_DATASET) == ()
    assert findings.verdict("declared_box_differs").count == 20
    assert findings.of("declared_box_differs")["value"].max() < 0.1


def test_a_demo_export_with_its_video_has_no_error(shared_exports: Path, tmp_path: Path) -> None:
    source = shared_exports / "sources" / "davis_dog.mp4"
    findings = assess_export(shared_exports / "demo" / "davis_dog.zip", tmp_path / "raw", source)
    assert findings.failing(Severity.ERROR) == ()
    assert findings.verdict("assumed_frame_rate").count == 0


@pytest.mark.parametrize(
    ("name", "stopped_by"),
    [("v0a_c7eee73_all_empty", "no_usable_frame"), ("v1a_d09ae11_no_images", "no_usable_frame")],
)
def test_an_export_with_nothing_to_train_on_stops_before_the_dataset(
    shared_exports: Path, tmp_path: Path, name: str, stopped_by: str
) -> None:
    findings = assess_export(shared_exports / "variants" / f"{name}.zip", tmp_path / "raw")
    assert [v.check_id for v in findings.stopping(Stage.INSTRUCTION_DATASET)] == [stopped_by]
