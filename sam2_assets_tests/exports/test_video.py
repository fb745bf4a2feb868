"""The demo's own transcoded file gives clean frames; a video that is not the export's is refused with numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import (
    TOTAL,
    Export,
    blob,
    demo_export,
    painted,
    png,
    scene,
    truth,
    write_video,
)


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


def exchange_colours(export: Export) -> Export:
    for name, data in export.pictures.items():
        export.pictures[name] = png(cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1])
    return export


@pytest.mark.parametrize("paint", [True, False])
def test_pictures_with_red_and_blue_exchanged_are_known_by_the_video(read: Reader, video: Path, paint: bool) -> None:
    """Painted ones by their contours already; of clean ones nothing but the video can tell."""
    imported = read(exchange_colours(demo_export(paint=paint)), video=video)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    assert min(imported.record["source_video"]["agreement"].values()) > 0.95
    assert any("red and blue are exchanged" in warning for warning in imported.summary.warnings)
    assert imported.record["source_video"].get("pictures") == (None if paint else "red and blue exchanged")
    assert not any("exchanged" in warning for warning in read(demo_export(paint=paint), video=video).summary.warnings)


def test_pictures_of_a_networks_numbers_are_not_held_against_the_video(read: Reader, video: Path) -> None:
    export = demo_export(paint=False)
    for name, data in export.pictures.items():
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), 1).astype(float) / 255
        export.pictures[name] = png(((pixels - 0.45) / 0.225 * 255).astype(np.int64).astype(np.uint8))
    imported = read(export, video=video)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    assert any("only its size and length were checked" in warning for warning in imported.summary.warnings)


def painted_with_one_more(export: Export) -> Export:
    """A large object is painted that is not in the list: it was taken out by hand."""
    for index in (0, 6, 12, 18):
        masks = [blob((256, 256), 0.5, 0.5, 0.3, 0.35), *truth(index)]
        export.pictures[f"images/frame_{index:06d}.png"] = png(
            painted(scene(index), masks, ["ship", "rocket", "comet"])
        )
    return export


def test_what_is_painted_of_an_object_that_is_no_longer_listed_is_not_held_against_the_video(
    read: Reader, video: Path, tmp_path: Path
) -> None:
    imported = read(painted_with_one_more(demo_export()), video=video)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.SOURCE_VIDEO}
    assert min(imported.record["source_video"]["agreement"].values()) > 0.9
    late = write_video(tmp_path / "late.mp4", [scene(max(i - 1, 0)) for i in range(TOTAL)])
    assert read.refused(painted_with_one_more(demo_export()), video=late).code == "video_mismatch"


def test_records_that_were_renumbered_are_refused_although_a_video_is_given(read: Reader, video: Path) -> None:
    """Without one picture of an annotated frame nothing holds the masks against the video's frames."""
    export = demo_export()
    for frame in export.document["annotations"]:
        frame["frame_index"] += 1
    error = read.refused(export, video=video)
    assert (error.code, error.value) == ("pictures_of_other_frames", "1")
    assert "the first is of frame 0, the first object in frame 1" in str(error)


def test_a_video_that_is_one_frame_late_is_refused(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "late.mp4", [scene(max(i - 1, 0)) for i in range(TOTAL)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field) == ("video_mismatch", "pixels")


def test_a_video_that_is_too_short_is_refused(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "length.mp4", [scene(i) for i in range(TOTAL - 1)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field, error.value) == ("video_mismatch", "frames", "'23 at 24 frames a second'")
    assert "24 frames" in str(error)


def test_another_shape_is_refused(read: Reader, tmp_path: Path) -> None:
    video = write_video(tmp_path / "size.mp4", [cv2.resize(scene(i), (640, 480)) for i in range(TOTAL)])
    error = read.refused(demo_export(), video=video)
    assert (error.code, error.field, error.value) == ("video_mismatch", "size", "'640 x 480'")


def test_a_video_that_is_one_frame_off_is_refused_even_where_little_moves(read: Reader, tmp_path: Path) -> None:
    """The next frame agrees in more than 0.9 of the pixels here, so that only its neighbours can tell."""

    def calm(index: int) -> np.ndarray:
        picture = scene(0)
        cv2.circle(picture, (20 + 2 * index, 150), 12, (255, 255, 255), -1)
        return picture

    export = demo_export()
    for index in (0, 6, 12, 18):
        export.pictures[f"images/frame_{index:06d}.png"] = png(painted(calm(index), truth(index), ["rocket", "comet"]))
    right = write_video(tmp_path / "right.mp4", [calm(i) for i in range(TOTAL)])
    assert min(read(export, video=right).record["source_video"]["agreement"].values()) > 0.95
    late = write_video(tmp_path / "late.mp4", [calm(max(i - 1, 0)) for i in range(TOTAL)])
    error = read.refused(export, video=late)
    assert (error.code, error.field, error.value) == ("video_mismatch", "clock", "'frames +1 agree better'")


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


def test_a_video_beyond_the_bounds_is_refused_early(read: Reader, video: Path) -> None:
    large = read.refused(demo_export(), video=video, settings={"max_video_pixels": 320 * 180 - 1})
    assert (large.code, large.field, large.value) == ("video_too_large", "size", "'320 x 180'")
    long = read.refused(demo_export(), video=video, settings={"max_video_frames": TOTAL - 1})
    assert (long.code, long.field) == ("video_too_large", "frames")


def test_a_damaged_video_ends_in_a_typed_error_or_in_the_right_frames(
    read: Reader, tmp_path: Path, video: Path
) -> None:
    data = video.read_bytes()
    rng = np.random.default_rng(1)
    codes = set()
    for trial in range(12):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 40).tolist():
            damaged[at] ^= int(rng.integers(1, 256))
        path = tmp_path / f"damaged{trial}.mp4"
        path.write_bytes(damaged)
        codes.add(read.refused(demo_export(), video=path).code)
    assert codes <= {"video_unreadable", "video_mismatch", "video_too_large"}
