"""The timeline shows exactly the frames of each object, and marks exactly the frames of each finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.quality import Context, QualitySettings, Severity, assess
from sam2_assets.quality.timeline import Timeline, timeline
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.quality.videos import Track, Video, make_video, rectangle

STEP = 0.125


def shown(video: Video, most: int = 40, **settings: object) -> Timeline:
    chosen = QualitySettings.model_validate(settings)
    return timeline(Context(video.tables, video.folder, chosen), assess(video.tables, video.folder, chosen), most)


def test_gaps_are_gaps_and_a_single_frame_has_an_extent(tmp_path: Path) -> None:
    seen = {0, 1, 2, 5, 8, 9}
    mask = lambda i: rectangle(10, 12, 14, 10) if i in seen else None  # noqa: E731
    *_, lane = shown(make_video(tmp_path / "v", {4: Track("dog", mask)}, frames=12, step_s=STEP)).lanes
    assert (lane.object_id, lane.label, lane.frames) == (4, "dog", len(seen))
    half = STEP / 2
    expected = [(0, 2), (5, 5), (8, 9)]
    assert len(lane.stretches) == len(expected)
    for stretch, (first, last) in zip(lane.stretches, expected, strict=True):
        assert stretch == pytest.approx((first * STEP - half, last * STEP + half))
    assert all(end > start for start, end in lane.stretches)


def test_marks_lie_on_the_lane_of_their_object_at_their_frames_and_count_every_finding(tmp_path: Path) -> None:
    away = {3, 7}
    tracks = {
        0: Track("dog", lambda i: None if i in away else rectangle(10, 12, 14, 10)),
        1: Track("cat", lambda i: rectangle(40, 30, 0 if 4 <= i <= 6 else 8, 8)),
    }
    video = make_video(tmp_path / "v", tracks, frames=12, step_s=STEP, origin=ImageOrigin.EXPORT_OVERLAY)
    whole, dog, cat = shown(video).lanes
    assert [lane.object_id for lane in (whole, dog, cat)] == [None, 0, 1]
    assert [(m.severity, m.findings, m.frames) for m in whole.marks] == [(Severity.ERROR, 12, (0, 33))]
    assert [(m.severity, m.checks, m.frames) for m in dog.marks] == [
        (Severity.WARNING, ("object_vanishes",), (9, 9)),
        (Severity.WARNING, ("object_vanishes",), (21, 21)),
    ]
    assert [(m.findings, m.checks, m.frames) for m in cat.marks] == [(3, ("empty_mask",), (12, 18))]
    assert cat.marks[0].start == pytest.approx(4 * STEP - STEP / 2)
    assert cat.marks[0].end == pytest.approx(6 * STEP + STEP / 2)


def test_of_too_many_objects_those_with_findings_stay(tmp_path: Path) -> None:
    tracks = {k: Track(f"c{k}", lambda i, k=k: rectangle(9 * k, 4, 8, 0 if k == 5 and i == 3 else 8)) for k in range(6)}
    limited = shown(make_video(tmp_path / "v", tracks, frames=12), most=2)
    assert [lane.object_id for lane in limited.lanes] == [0, 5]
    assert limited.left_out == 4


def test_a_video_of_one_frame_has_a_timeline_with_an_extent(tmp_path: Path) -> None:
    line = shown(make_video(tmp_path / "v", frames=1))
    assert line.end > line.start
    assert [line.share(t) for t in (line.start, line.end)] == [0.0, 1.0]
