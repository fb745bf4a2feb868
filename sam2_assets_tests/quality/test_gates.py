"""What an assessment stops, what a waiver opens, and what it says when it could not be measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.quality import CHECKS, QualitySettings, Severity, Stage, assess
from sam2_assets.tables import ImageOrigin, Tables
from sam2_assets_tests.quality.videos import Track, Video, make_video, rectangle


@pytest.fixture
def overlaid(tmp_path: Path) -> Video:
    return make_video(tmp_path / "v", origin=ImageOrigin.EXPORT_OVERLAY)


def test_an_overlay_stops_the_training_plan_and_nothing_before_it(overlaid: Video) -> None:
    findings = assess(overlaid.tables, overlaid.folder, QualitySettings())
    assert [v.check_id for v in findings.stopping(Stage.TRAINING_PLAN)] == ["burnt_in_overlay"]
    assert findings.stopping(Stage.INSTRUCTION_DATASET) == ()


def test_a_waiver_opens_the_gate_and_says_so(overlaid: Video) -> None:
    settings = QualitySettings(waivers={"burnt_in_overlay": "demonstration only"})
    findings = assess(overlaid.tables, overlaid.folder, settings)
    verdict = findings.verdict("burnt_in_overlay")
    assert findings.stopping(Stage.TRAINING_PLAN) == ()
    assert (verdict.passed, verdict.waived, verdict.waived_reason) == (True, True, "demonstration only")
    assert verdict.count == 24, "a waiver hides nothing"
    assert findings.as_dict()["waivers"] == {"burnt_in_overlay": "demonstration only"}


def test_a_waiver_of_a_check_that_passes_is_not_reported_as_one(tmp_path: Path) -> None:
    clean = make_video(tmp_path / "v")
    findings = assess(clean.tables, clean.folder, QualitySettings(waivers={"burnt_in_overlay": "just in case"}))
    assert findings.waived == ()


@pytest.mark.parametrize(
    ("check_id", "code", "remedy"),
    [
        ("burnt_overlay", "unknown_check", "Did you mean burnt_in_overlay?"),
        ("everything", "unknown_check", "Use one of: area_changes_abruptly, "),
        ("rle_valid", "check_cannot_be_waived", "Remove the waiver."),
    ],
)
def test_a_waiver_that_cannot_work_is_refused(overlaid: Video, check_id: str, code: str, remedy: str) -> None:
    with pytest.raises(SettingsError, match=check_id) as refused:
        assess(overlaid.tables, overlaid.folder, QualitySettings(waivers={check_id: "because"}))
    assert refused.value.code == code
    assert refused.value.remedy.startswith(remedy)


@pytest.mark.parametrize("wrong", [{"waivers": {"speck": " "}}, {"placeholder_labels": ["("]}, {"max_overlap": 0.5}])
def test_settings_refuse_what_they_cannot_mean(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QualitySettings.model_validate(wrong)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_stage_measures_exactly_the_checks_that_can_stop_it(overlaid: Video, stage: Stage) -> None:
    findings = assess(overlaid.tables, overlaid.folder, QualitySettings(), stage=stage)
    assert [v.check_id for v in findings.verdicts] == [check.id for check in CHECKS if check.gates is stage]
    assert findings.stopping(stage) == assess(overlaid.tables, overlaid.folder, QualitySettings()).stopping(stage)


def test_a_gate_that_was_not_assessed_is_not_open(overlaid: Video) -> None:
    findings = assess(overlaid.tables, overlaid.folder, QualitySettings(), stage=Stage.INSTRUCTION_DATASET)
    with pytest.raises(ValueError, match="training_plan was not assessed"):
        findings.stopping(Stage.TRAINING_PLAN)


@pytest.mark.parametrize("table", ["frames", "objects"])
def test_unsound_columns_stop_every_gate_even_with_waivers(overlaid: Video, table: str) -> None:
    spoilt = Tables(overlaid.frames, overlaid.objects)
    getattr(spoilt, table).insert(0, "surplus", 1)
    waivers = {check.id: "all of it" for check in CHECKS if check.waivable}
    findings = assess(spoilt, overlaid.folder, QualitySettings(waivers=waivers))
    unmeasured = findings.verdict("burnt_in_overlay")
    assert (unmeasured.measured, unmeasured.passed, unmeasured.waived) == (False, False, False)
    assert findings.stopping(Stage.TRAINING_PLAN)
    assert not findings.verdict(f"schema_{table}").passed


def test_a_tolerated_finding_is_listed_as_information_and_does_not_fail(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {0: Track(mask=lambda i: rectangle(9, 9, 9, 9) if i else None)})
    findings = assess(video.tables, video.folder, QualitySettings(empty_frames="negative"))
    verdict = findings.verdict("frames_without_objects")
    assert (verdict.passed, verdict.count) == (True, 1)
    assert findings.of("frames_without_objects")["severity"].tolist() == [str(Severity.INFO)]


def test_a_duplicate_is_not_reported_as_an_overlap_too(tmp_path: Path) -> None:
    same = {i: Track(name, lambda _: rectangle(9, 9, 20, 20)) for i, name in enumerate(("dog", "cat"))}
    video = make_video(tmp_path / "v", same)
    findings = assess(video.tables, video.folder, QualitySettings())
    assert findings.verdict("duplicate_object").count == 24
    assert findings.verdict("overlapping_objects").count == 0


def test_an_object_with_an_unreadable_mask_has_not_vanished(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v")
    video.objects.loc[3, "rle_counts"] = "zzz"
    findings = assess(video.tables, video.folder, QualitySettings())
    assert findings.verdict("rle_valid").count == 1
    assert findings.verdict("object_vanishes").count == 0


@pytest.mark.parametrize("content", [None, "{", "[]", '{"video": 3}'])
def test_a_folder_without_a_readable_import_record_is_refused(tmp_path: Path, content: str | None) -> None:
    video = make_video(tmp_path / "v")
    record = video.folder / "import.json"
    record.unlink() if content is None else record.write_text(content)
    with pytest.raises(DatasetError, match=r"import\.json"):
        assess(video.tables, video.folder, QualitySettings())


def test_thresholds_decide(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v")
    lenient = assess(video.tables, video.folder, QualitySettings(min_annotated_frames=24))
    strict = assess(video.tables, video.folder, QualitySettings(min_annotated_frames=25))
    assert lenient.verdict("too_few_frames").passed
    assert strict.verdict("too_few_frames").threshold == ("min_annotated_frames", 25.0)
    assert strict.of("too_few_frames")[["value", "threshold"]].to_numpy().tolist() == [[24.0, 25.0]]


def test_a_frame_without_objects_stops_the_training_plan_until_it_is_declared_or_waived(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", {0: Track(mask=lambda i: rectangle(9, 9, 9, 9) if i < 23 else None)})

    def stopped_by(settings: QualitySettings) -> list[str]:
        return [v.check_id for v in assess(video.tables, video.folder, settings).stopping(Stage.TRAINING_PLAN)]

    assert stopped_by(QualitySettings()) == ["frames_without_objects"]
    assert stopped_by(QualitySettings(empty_frames="negative")) == []
    assert stopped_by(QualitySettings(waivers={"frames_without_objects": "the dog is out for a moment"})) == []
