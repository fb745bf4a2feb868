"""The metadata of the UI is bounded, and says what the artifact says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from sam2_assets.assets import showcase
from sam2_assets.assets.lineage import Materialized
from sam2_assets.assets.scope import VIDEO
from sam2_assets.checks.verdicts import results
from sam2_assets.quality import Findings, QualitySettings, assess, write_report
from sam2_assets.store import ArtifactRef
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.quality.videos import Track, Video, make_video, rectangle

LONG = "fox " * 2000


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Painted pictures, and an object whose mask is empty in one frame of four."""
    track = Track(LONG.strip(), lambda i: rectangle(10, 12, 14 * (i % 4 != 1), 10))
    return make_video(tmp_path_factory.mktemp("shown") / "v", {0: track}, frames=80, origin=ImageOrigin.EXPORT_OVERLAY)


def assessed(video: Video, folder: Path, **settings: object) -> tuple[Findings, dict[str, Any]]:
    findings = assess(video.tables, video.folder, QualitySettings.model_validate(settings))
    folder.mkdir()
    write_report(findings, video.tables, video.folder, folder)
    return findings, showcase.of_report(folder, findings)


def test_the_counts_are_numbers_that_the_ui_can_plot_and_they_are_true(video: Video, tmp_path: Path) -> None:
    _, facts = assessed(video, tmp_path / "r")
    expected = {"frames": 80, "objects": 80, "present_objects": 60, "tracks": 1, "classes": 1, "errors": 2, "waived": 0}
    assert {name: facts[name] for name in expected} == expected
    assert all(type(facts[name]) is int for name in (*expected, "warnings", "findings", "usable_frames"))
    by_check = {r.data["check"]: r.data for r in facts["failed_checks"].records}
    assert (by_check["burnt_in_overlay"]["findings"], by_check["empty_mask"]["findings"]) == (80, 20)
    assert by_check["burnt_in_overlay"]["stops"] == "training_plan"
    assert facts["findings"] == sum(row["findings"] for row in by_check.values())


def test_tables_in_the_event_log_are_bounded_in_rows_and_in_letters(video: Video, tmp_path: Path) -> None:
    _, facts = assessed(video, tmp_path / "r")
    assert len(facts["first_findings"].records) == 50
    for row in (*facts["first_findings"].records, *facts["failed_checks"].records):
        assert all(len(str(value)) <= 300 for value in row.data.values())


def test_a_waiver_is_shown_with_its_reason(video: Video, tmp_path: Path) -> None:
    _, facts = assessed(video, tmp_path / "r", waivers={"burnt_in_overlay": "a trial", "speck": "nothing needs this"})
    assert [r.data for r in facts["waivers"].records] == [{"check": "burnt_in_overlay", "reason": "a trial"}]
    assert (facts["errors"], facts["waived"]) == (1, 1)


def test_a_page_in_the_event_log_keeps_its_first_pictures_within_the_bound_and_names_the_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(4):
        noise = rng.integers(0, 255, (400, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"p{k}.png")
    (tmp_path / "report.md").write_text("".join(f"![words {k}](p{k}.png)\n" for k in range(4)))
    whole = str(showcase.page(tmp_path / "report.md", 10**9).value)
    assert whole.count("data:image/jpeg") == 4
    one = len(whole) // 4
    cut = str(showcase.page(tmp_path / "report.md", 2 * one + 1000).value)
    assert re.findall(r"!\[words (\d)\]", cut) == ["0", "1"]
    assert len(cut) < 2 * one + 2000
    assert "(picture in the artifact: `p3.png`)" in cut


def test_a_closed_gate_says_what_to_do_and_what_to_type_to_accept_it(video: Video, tmp_path: Path) -> None:
    findings, _ = assessed(video, tmp_path / "r")
    data = Materialized(VIDEO.key("splits"), "cats-1a2b3c", ArtifactRef("a/b", "0" * 64), 0, "")
    shown = {r.check_name: r for r in results(findings, data, VIDEO.key("splits"), findings.verdicts)}
    closed = shown["burnt_in_overlay"]
    assert not closed.passed
    assert closed.severity is dg.AssetCheckSeverity.ERROR
    accept = 'sam2-assets settings cats-1a2b3c --set "quality.waivers.burnt_in_overlay=YOUR REASON"'
    assert closed.metadata["to_accept_it"].value == accept
    assert "Put the source video" in str(closed.metadata["remedy"].value)
    assert closed.metadata["findings"].value == 80
    warned = shown["empty_mask"]
    assert "to_accept_it" not in warned.metadata
    assert len(warned.metadata["failing_rows"].records) == 8
    assert len(warned.description or "") < 600
    assert shown["speck"].passed
