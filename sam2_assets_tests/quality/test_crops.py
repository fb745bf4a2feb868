"""Every picture of a finding shows what the finding is about."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from sam2_assets.quality import CHECKS, Context, QualitySettings, assess
from sam2_assets.quality.crops import FindingPictures, Picture, spread, within
from sam2_assets.quality.pictures import draw_frame, window_around
from sam2_assets.tables import Tables
from sam2_assets_tests.quality.videos import HEIGHT, WIDTH, Track, Video, make_video, rectangle

BRIGHT = 110
CHECK = {check.id: check for check in CHECKS}


def lit(folder: Path, tracks: dict[int, Track], **options: object) -> Video:
    """A video whose pictures are black but for its objects, which are white."""
    video = make_video(folder, tracks, **options)  # type: ignore[arg-type]
    for row, name in enumerate(video.frames["image"]):
        picture = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        for track in tracks.values():
            mask = track.mask(row)
            if mask is not None:
                picture[mask.astype(bool)] = 255
        Image.fromarray(picture).save(video.folder / name)
    return video


def pictures(video: Video, check: str, tables: Tables | None = None, **settings: object) -> list[Picture]:
    chosen = QualitySettings.model_validate(settings)
    tables = tables or video.tables
    found = assess(tables, video.folder, chosen)
    return FindingPictures(Context(tables, video.folder, chosen)).of(CHECK[check], found.of(check), 3)


def bright(picture: Picture) -> NDArray[np.bool_]:
    pixels = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), dtype=int)
    return np.asarray(pixels.min(axis=2) > BRIGHT)


@pytest.mark.parametrize("corner", [(0, 0), (62, 0), (0, 46), (62, 46), (30, 20)])
def test_a_crop_shows_the_whole_object_wherever_it_lies(corner: tuple[int, int], tmp_path: Path) -> None:
    video = lit(tmp_path / "v", {3: Track("dog", lambda i: rectangle(*corner, 2, 2))}, frames=4)
    (first, *_) = crops = pictures(video, "speck", speck_share=0.5)
    assert len(crops) == 3
    assert first.name == "speck_000000_3.jpg"
    assert "object 3" in first.caption
    height, width = bright(first).shape
    assert (width, height) == (400, 300)
    # the smallest crop is 0.15 of the frame; JPEG and the box's line blur the edges by some pixels
    scale = 400 / (0.15 * WIDTH)
    outlined = np.asarray(Image.open(io.BytesIO(first.data)).convert("RGB"), dtype=int).max(axis=2) > BRIGHT
    ys, xs = np.nonzero(outlined)
    assert np.ptp(xs) + 1 >= 2 * scale - 6
    assert np.ptp(ys) + 1 >= 2 * scale - 6


def test_a_crop_shows_the_mask_and_a_box_that_lies_elsewhere(tmp_path: Path) -> None:
    video = lit(tmp_path / "v", {0: Track("dog", lambda i: rectangle(4, 4, 8, 8))}, frames=2)
    objects = video.objects.assign(box_x=50.0, box_y=30.0)
    (first, _) = pictures(video, "box_matches_mask", Tables(video.frames, objects))
    # 4..58 of 64 columns and 4..38 of 48 rows, with a margin: the whole frame
    assert bright(first).sum() == pytest.approx(8 * 8 * (400 / 64) ** 2, rel=0.25)
    pixels = np.asarray(Image.open(io.BytesIO(first.data)).convert("RGB"), dtype=int)
    box = pixels[int(30 * 6.25) : int(38 * 6.25), int(50 * 6.25) : int(58 * 6.25)]
    assert (box.max(axis=2) > BRIGHT).any(), "the box is drawn where the table has it"


def test_an_object_that_vanishes_is_shown_before_in_and_after_the_gap(tmp_path: Path) -> None:
    track = Track("dog", lambda i: None if i == 2 else rectangle(20 + i, 16, 10, 10))
    (crop,) = pictures(lit(tmp_path / "v", {7: track}, frames=6), "object_vanishes")
    assert crop.wide
    assert crop.alt == "Object 7 in the frames 3, 6, 9"
    seen = bright(crop)[:-18]  # without the captions
    before, during, after = (seen[:, left : left + 300] for left in (0, 306, 612))
    # the gap's own tile holds only the dashes of where it was
    assert before.sum() > 5 * during.sum()
    assert after.sum() > 5 * during.sum()
    assert during.sum() > 0


def test_a_picture_of_painted_frames_is_bare(tmp_path: Path) -> None:
    video = lit(tmp_path / "v", {0: Track("dog", lambda i: rectangle(20, 16, 10, 10))}, frames=3)
    frames = video.frames.assign(image_origin="export_overlay")
    crop = pictures(video, "burnt_in_overlay", Tables(frames, video.objects))[0]
    pixels = np.asarray(Image.open(io.BytesIO(crop.data)).convert("RGB"), dtype=int)
    assert np.ptp(pixels, axis=2).max() < 30, "nothing coloured is drawn on it"


@pytest.mark.parametrize("box", [(0.0, 0.0, 64.0, 48.0), (3.0, 40.0, 60.0, 8.0), (63.0, 0.0, 1.0, 48.0)])
def test_a_window_holds_its_box_inside_the_frame_and_keeps_the_frames_shape(box: tuple[float, ...]) -> None:
    x, y, w, h = box
    left, top, right, bottom = window_around([(x, y, w, h)], (64.0, 48.0))
    assert 0 <= left <= x
    assert 0 <= top <= y
    assert x + w <= right <= 64
    assert y + h <= bottom <= 48
    assert (right - left) / (bottom - top) == pytest.approx(64 / 48)


def picture(size: int) -> Picture:
    return Picture("p.jpg", "", "", bytes(size))


def test_pictures_are_left_out_when_the_page_would_grow_too_large_but_each_check_keeps_one() -> None:
    kept = within([("a", [picture(40)] * 3), ("b", [picture(40)] * 3), ("c", [])], most_bytes=130)
    assert {check: len(some) for check, some in kept.by_check.items()} == {"a": 2, "b": 1}
    assert kept.left_out == 3


@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_what_is_shown_is_spread_over_all(most: int) -> None:
    chosen = spread(list(range(100)), most)
    assert len(chosen) == most
    assert chosen == sorted(set(chosen))
    assert most == 1 or (chosen[0], chosen[-1]) == (0, 99)


def test_findings_of_frames_that_are_not_there_have_no_picture(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", frames=3)
    found = pd.DataFrame({"frame_index": [999, None], "object_id": [0, 0], "message": ["a", "b"]}).astype(
        {"frame_index": "Int64", "object_id": "Int64"}
    )
    assert FindingPictures(Context(video.tables, video.folder, QualitySettings())).of(CHECK["speck"], found, 3) == []


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (60_000, 60_000)])
def test_a_frame_of_any_size_is_drawn_in_bounds(size: tuple[int, int], tmp_path: Path) -> None:
    video = make_video(tmp_path / "v", frames=1)
    video.picture(0).unlink()
    frames = video.frames.assign(width=size[0], height=size[1])
    drawn = draw_frame(Tables(frames, video.objects.iloc[:0]), video.folder, 0, 400, {})
    assert drawn.width <= 400
    assert drawn.height <= 800
