"""A source video gives clean frames if it is the demo's own file, and is refused with numbers otherwise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import TOTAL, demo_export, scene, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "source.mp4", [scene(i) for i in range(TOTAL)])


def test_frames_come_clean_from_the_source_video(read: Reader, video: Path) -> None:
    imported = read(demo_export(), video=video)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    for index, name in zip(imported.tables.frames["frame_index"], imported.tables.frames["image"], strict=True):
        pixels = np.asarray(cv2.imread(str(imported.folder / name)), int)
        right = np.abs(pixels - scene(index)).mean()
        assert right < 4 < np.abs(pixels - scene(index + 1)).mean()
    source = imported.record["source_video"]
    assert (source["frames"], source["width"], source["height"], source["fps"]) == (TOTAL, 320, 180, 24.0)
    assert min(source["agreement"].values()) > 0.95


def test_the_clock_comes_from_the_source_video(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "slow.mp4", [scene(i) for i in range(TOTAL)], rate=12)
    imported = read(demo_export(), video=video)
    assert (imported.summary.fps, imported.summary.fps_origin) == (12.0, "source_video")
    assert imported.tables.frames["time_s"].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert imported.record["video"]["duration_s"] == 2.0


def test_the_identity_does_not_change_when_the_video_is_given(read: Reader, video: Path) -> None:
    assert read(demo_export(), video=video).summary.video_id == read(demo_export()).summary.video_id


def test_frames_without_objects_get_pictures_too(read: Reader, video: Path) -> None:
    export = demo_export()
    export.document["annotations"][1]["objects"] = []
    del export.pictures["images/frame_000006.png"]
    imported = read(export, video=video)
    assert len(list((imported.folder / "images").iterdir())) == 4
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}


def test_another_video_of_the_same_size_and_length_is_refused_by_its_pixels(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "other.mp4", [255 - scene(i) for i in range(TOTAL)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.file, error.field) == ("video_mismatch", "other.mp4", "pixels")
    assert "0.9 must lie within 16 levels" in str(error)


def test_a_video_that_is_one_frame_late_is_refused(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "late.mp4", [scene(max(i - 1, 0)) for i in range(TOTAL)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field) == ("video_mismatch", "pixels")


@pytest.mark.parametrize("count", [TOTAL - 1, TOTAL + 5])
def test_another_number_of_frames_is_refused(read: Reader, tmp_path: Path, count: int) -> None:
    video = write_video(tmp_path / "length.mp4", [scene(i % TOTAL) for i in range(count)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field) == ("video_mismatch", "frames")
    assert str(TOTAL) in str(error)


def test_another_size_is_refused(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "size.mp4", [cv2.resize(scene(i), (640, 360)) for i in range(TOTAL)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field, error.value) == ("video_mismatch", "size", "'640 x 360'")


def test_without_pictures_only_size_and_length_are_checked_and_that_is_said(read: Reader, video: Path) -> None:
    export = demo_export()
    export.pictures.clear()
    imported = read(export, video=video)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    assert any("source video" in warning for warning in imported.summary.warnings)


def test_files_that_are_no_video_are_refused(read: Reader, tmp_path: Path, video: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(video.read_bytes())
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n")
    concat = tmp_path / "concat.mp4"
    concat.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:2000])
    for path in (playlist, concat, cut):
        assert read.refused(demo_export(), video=path).code == "video_unreadable"
    assert read.refused(demo_export(), video=tmp_path / "absent.mp4").code == "video_missing"
