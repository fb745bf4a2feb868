"""The upload a user started from gives the frames that FFmpeg made the export's of, or is refused with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import pytest

from sam2_assets_tests.exports.conftest import Imported, Reader
from sam2_assets_tests.exports.export_builder import HEIGHT, WIDTH, Export, demo_export, painted, png, truth
from sam2_assets_tests.exports.uploads import TICK, even_times, frames_of, transcode, write_upload

INDICES = (0, 5, 10, 15, 20, 25, 30, 35)
LARGE = (480, 270)


def view(number: int, size: tuple[int, int] = LARGE) -> np.ndarray:
    """Frame ``number`` of the upload: a camera over a textured ground, and bars that spell the number out."""
    rng = np.random.default_rng(3)
    ground = cv2.resize(rng.integers(30, 220, (30, 60, 3), np.uint8), (960, 480), interpolation=cv2.INTER_CUBIC)
    x, y = (number * 7) % 480, (number * 3) % 200
    picture = cv2.resize(ground[y : y + 270, x : x + 480], size, interpolation=cv2.INTER_AREA)
    for bit in range(10):
        left = round(size[0] * (0.02 + bit * 0.03))
        bar = slice(round(size[1] * 0.9), round(size[1] * 0.98)), slice(left, left + round(size[0] * 0.03))
        picture[bar] = 235 if number >> bit & 1 else 20
    return np.ascontiguousarray(picture)


def spelled(picture: np.ndarray) -> int:
    """The number that ``view`` wrote."""
    height, width = picture.shape[:2]
    bars = picture[round(height * 0.92) : round(height * 0.96)].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(10) if bars[round(width * (0.035 + bit * 0.03))] > 128)


def export_of(transcoded: Path, indices: Sequence[int] = INDICES) -> tuple[Export, list[int]]:
    """An export painted over a transcoded video, and which source frame each of its frames shows."""
    frames = frames_of(transcoded)
    export = demo_export(tuple(indices))
    for index in indices:
        picture = painted(frames[index], truth(index % 24), ["rocket", "comet"])
        export.pictures[f"images/frame_{index:06d}.png"] = png(picture)
    for frame in export.document["annotations"]:
        masks = demo_export((frame["frame_index"] % 24,)).document["annotations"][0]["objects"]
        frame["objects"] = masks
    height, width = frames[0].shape[:2]
    for video in (export.document["video"], (export.metadata or {})["video"]):
        video |= {"total_frames": len(frames), "width": width, "height": height}
    return export, [spelled(frames[index]) for index in indices]


def mapped(imported: Imported) -> list[int]:
    return [entry["source_frame"] for entry in imported.record["source_video"]["mapping"].values()]


VARIABLE = list(accumulate(np.random.default_rng(5).integers(1500, 6500, 75).tolist()))
CLOCKS = {
    "30": even_times(75, 30),
    "25": even_times(62, 25),
    "60": even_times(150, 60),
    "29.97": even_times(75, Fraction(30_000, 1001)),
    "variable": [tick - VARIABLE[0] for tick in VARIABLE],
}


@pytest.mark.parametrize(
    ("clock", "seek", "suffix"),
    [("30", 0, ".mov"), ("25", 37, ".mp4"), ("60", 51, ".mkv"), ("29.97", 42, ".mp4"), ("variable", 23, ".mkv")],
)
def test_every_frame_is_the_one_ffmpeg_took(read: Reader, tmp_path: Path, clock: str, seek: int, suffix: str) -> None:
    ticks = CLOCKS[clock]
    upload = write_upload(tmp_path / f"upload{suffix}", [view(n) for n in range(len(ticks))], ticks)
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", seek=seek, size=(WIDTH, HEIGHT)))
    imported = read(export, video=upload)
    assert mapped(imported) == truly
    written = [cv2.imread(str(imported.folder / name)) for name in imported.tables.frames["image"]]
    assert [spelled(picture) for picture in written if picture is not None] == truly
    assert {picture.shape for picture in written if picture is not None} == {(HEIGHT, WIDTH, 3)}
    source = imported.record["source_video"]
    times = [entry["source_time_s"] for entry in source["mapping"].values()]
    assert times == pytest.approx([ticks[number] * float(TICK) for number in truly], abs=0.001)
    assert (source["kind"], source["clock"]["fps"]) == ("upload", 24.0)
    assert seek / 100 in source["seek_search"]["seeks_of_these_frames_s"]
    assert imported.tables.frames["time_s"].tolist() == [index / 24 for index in INDICES]
    assert (imported.summary.fps, imported.summary.fps_origin) == (24.0, "source_video")


def test_a_cut_late_in_a_long_upload_is_found(read: Reader, tmp_path: Path) -> None:
    ticks = even_times(210, 30)
    upload = write_upload(tmp_path / "long.webm", [view(n) for n in range(210)], ticks, codec="libvpx")
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", seek=431, size=(WIDTH, HEIGHT)))
    imported = read(export, video=upload)
    assert mapped(imported) == truly
    assert imported.record["source_video"]["read_whole"]


def test_a_stated_seek_is_used_and_held_against_the_pixels(read: Reader, tmp_path: Path) -> None:
    upload = write_upload(tmp_path / "up.mp4", [view(n) for n in range(75)], CLOCKS["30"])
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", seek=20, size=(WIDTH, HEIGHT)))
    assert mapped(read(export, video=upload, settings={"video_seek_s": 0.2})) == truly
    error = read.refused(export, video=upload, settings={"video_seek_s": 0.5})
    assert error.code == "video_mismatch"


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_turned_phone_video_is_set_upright(read: Reader, tmp_path: Path, degrees: int) -> None:
    coded = [np.rot90(view(n), -degrees // 90) for n in range(60)]
    upload = write_upload(tmp_path / "phone.mov", coded, even_times(60, 30), rotation=degrees)
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", size=(WIDTH, HEIGHT)))
    assert mapped(read(export, video=upload)) == truly
    plain = write_upload(tmp_path / "unturned.mov", coded, even_times(60, 30))
    assert read.refused(export, video=plain).code == "video_mismatch"


def test_an_upload_that_the_demo_squashed_is_recognised(read: Reader, tmp_path: Path) -> None:
    """With newer libraries the demo does not see the rotation: a portrait upload is scaled to a landscape size."""
    coded = [np.rot90(view(n, (270, 480)), -1) for n in range(60)]
    upload = write_upload(tmp_path / "portrait.mov", coded, even_times(60, 30), rotation=90)
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", size=(WIDTH, HEIGHT)))
    imported = read(export, video=upload)
    assert mapped(imported) == truly
    assert (imported.record["source_video"]["width"], imported.record["source_video"]["height"]) == (270, 480)


def test_odd_sizes_and_time_stamps_that_do_not_begin_at_zero(read: Reader, tmp_path: Path) -> None:
    frames = [view(n, (426, 240)) for n in range(60)]
    upload = write_upload(tmp_path / "late.ts", frames, even_times(60, 25, start=45_000))
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", seek=11, size=(WIDTH, HEIGHT)))
    assert mapped(read(export, video=upload)) == truly


def test_the_wrong_upload_is_refused_with_numbers(read: Reader, tmp_path: Path) -> None:
    frames = [view(n) for n in range(75)]
    upload = write_upload(tmp_path / "up.mp4", frames, CLOCKS["30"])
    export, _ = export_of(transcode(upload, tmp_path / "demo.mp4", seek=20, size=(WIDTH, HEIGHT)))
    wrong = {
        "mirrored": [frame[:, ::-1] for frame in frames],
        "other": [np.roll(frame, 180, axis=1) for frame in frames],
        "backwards": frames[::-1],
    }
    for name, changed in wrong.items():
        error = read.refused(export, video=write_upload(tmp_path / f"{name}.mp4", changed, CLOCKS["30"]))
        assert (error.code, error.file, error.field) == ("video_mismatch", f"{name}.mp4", "pixels"), name
        assert "0.9 must lie within 8 levels" in str(error)
        assert float(str(error.value).split()[0].strip("'")) < 0.9
    late = write_upload(tmp_path / "late.mp4", frames[12:], CLOCKS["30"][:63])
    assert read.refused(export, video=late).code == "video_mismatch"
    short = write_upload(tmp_path / "short.mp4", frames[:40], CLOCKS["30"][:40])
    assert read.refused(export, video=short).field in {"frames", "pixels"}


def test_a_small_moving_object_before_a_still_camera_tells_the_frames(read: Reader, tmp_path: Path) -> None:
    def still(number: int) -> np.ndarray:
        picture = view(0)
        cv2.circle(picture, (40 + 4 * number, 130), 8, (240, 240, 240), -1)
        return picture

    upload = write_upload(tmp_path / "still.mp4", [still(n) for n in range(75)], CLOCKS["30"])
    transcoded = transcode(upload, tmp_path / "demo.mp4", seek=50, size=(WIDTH, HEIGHT))
    export, _ = export_of(transcoded)
    centre = [number * 4 + 40 for number in mapped(read(export, video=upload))]
    for index, x in zip(INDICES, centre, strict=True):
        frame = frames_of(transcoded)[index].astype(int)
        row = frame[round(130 * HEIGHT / LARGE[1])].min(axis=1)
        bright = np.flatnonzero(row > 215)
        assert bright.mean() == pytest.approx(x * WIDTH / LARGE[0], abs=1.4)


def test_seeks_of_a_frozen_video_are_said_to_look_the_same(read: Reader, tmp_path: Path) -> None:
    upload = write_upload(tmp_path / "frozen.mp4", [view(0)] * 75, CLOCKS["30"])
    export, _ = export_of(transcode(upload, tmp_path / "demo.mp4", seek=40, size=(WIDTH, HEIGHT)))
    source = read(export, video=upload).record["source_video"]
    assert len(source["seek_search"]["other_seeks_that_look_the_same_s"]) >= 10
    assert source["seek_search"]["next_best"] is None


def test_an_upload_is_refused_where_frames_differ_only_under_the_paint(read: Reader, tmp_path: Path) -> None:
    """All that moves lies under a label box: nothing tells which of the upload's frames is right."""
    export = demo_export(INDICES)
    box = cv2.boundingRect(cv2.resize(truth(0)[0], LARGE, interpolation=cv2.INTER_NEAREST))

    def hidden(number: int) -> np.ndarray:
        picture = view(0)
        left, top = box[0] + 6 + (number * 5) % 60, box[1] - 38
        cv2.rectangle(picture, (left, top), (left + 10, top + 12), (255, 255, 255), -1)
        return picture

    upload = write_upload(tmp_path / "hidden.mp4", [hidden(n) for n in range(75)], CLOCKS["30"])
    transcoded = transcode(upload, tmp_path / "demo.mp4", seek=40, size=(WIDTH, HEIGHT))
    export, _ = export_of(transcoded)
    for frame in export.document["annotations"]:
        frame["objects"] = demo_export((0,)).document["annotations"][0]["objects"]
    for index, picture in enumerate(frames_of(transcoded)):
        if index in INDICES:
            shown = painted(picture, truth(0), ["rocket " * 4, "comet"])
            export.pictures[f"images/frame_{index:06d}.png"] = png(shown)
    for frame in export.document["annotations"]:
        frame["objects"][0]["label"] = "rocket " * 4
    error = read.refused(export, video=upload)
    assert (error.code, error.field) == ("video_ambiguous", "seek")
    assert "importing.video_seek_s" in str(error)


def test_without_pictures_an_upload_needs_a_stated_seek(read: Reader, tmp_path: Path) -> None:
    upload = write_upload(tmp_path / "up.mp4", [view(n) for n in range(75)], CLOCKS["30"])
    export, truly = export_of(transcode(upload, tmp_path / "demo.mp4", seek=20, size=(WIDTH, HEIGHT)))
    export.pictures.clear()
    assert read.refused(export, video=upload).code == "video_unverifiable"
    imported = read(export, video=upload, settings={"video_seek_s": 0.2})
    assert mapped(imported) == truly
    assert any("only its size and length" in warning for warning in imported.summary.warnings)
    assert read.refused(export, video=upload, settings={"video_seek_s": 2.0}).field == "frames"


def test_the_same_upload_gives_the_same_bytes(read: Reader, tmp_path: Path) -> None:
    upload = write_upload(tmp_path / "up.mp4", [view(n) for n in range(60)], even_times(60, 30))
    export, _ = export_of(transcode(upload, tmp_path / "demo.mp4", seek=7, size=(WIDTH, HEIGHT)))
    first, second = read(export, video=upload), read(export, video=upload)
    first.record.pop("archive"), second.record.pop("archive")
    assert first.record == second.record
    for name in ("frames.parquet", "images/frame_000010.png"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
