"""Each check catches its case, and leaves a clean neighbour of that case alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from sam2_assets.quality import CHECKS, FindingsTable, QualitySettings, Severity, assess
from sam2_assets.tables import ImageOrigin, Provenance, Tables
from sam2_assets_tests.quality.defects import ALL
from sam2_assets_tests.quality.videos import HEIGHT, WIDTH, Track, Video, make_video, rectangle, runs

Make = Callable[[Path], Video]
Pixels = NDArray[np.uint8]
SETTINGS = QualitySettings(speck_share=0.002)
"""A frame of 64 x 48 is so small that by default a single pixel would be no speck."""


def spoil(change: Callable[[Video], None], **options: object) -> Make:
    def make(folder: Path) -> Video:
        video = make_video(folder, **options)  # type: ignore[arg-type]
        change(video)
        return video

    return make


def video(**options: object) -> Make:
    return spoil(lambda _: None, **options)


def set_object(row: int, **values: Any) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        for column, value in values.items():
            video.objects.loc[row, column] = value

    return change


def set_frame(row: int, **values: Any) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        for column, value in values.items():
            video.frames.loc[row, column] = value

    return change


def without_column(table: str, column: str) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        getattr(video.tables, table).drop(columns=column, inplace=True)

    return change


def without_pictures(rows: range, *, only_files: bool = False) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        for row in rows:
            video.picture(row).unlink()
        if not only_files:
            video.frames.loc[list(rows), "image"] = None
            video.frames.loc[list(rows), "image_sha256"] = None
            video.frames.loc[list(rows), "image_origin"] = str(ImageOrigin.MISSING)

    return change


def picture_of_size(width: int, height: int) -> Callable[[Video], None]:
    return lambda video: Image.new("RGB", (width, height)).save(video.picture(5))


def broken_picture(video: Video) -> None:
    video.picture(5).write_bytes(b"not a picture")


def both(first: Callable[[Video], None], second: Callable[[Video], None]) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        first(video)
        second(video)

    return change


def coarse_masks(video: Video) -> None:
    """The same boxes with masks on a grid of 16 x 16 cells, as the importer would compute them."""
    for row in range(len(video.objects)):
        grid = np.zeros((16, 16), dtype=np.uint8)
        grid[3:7, 2:9] = 1
        mask = {"rle_counts": runs(grid), "grid_h": 16, "grid_w": 16, "area_px": 28.0 * 12.0}
        set_object(row, **mask, box_x=8.0, box_y=9.0, box_w=28.0, box_h=12.0)(video)


def only_in(*positions: int) -> Track:
    return Track(mask=lambda i: rectangle(20, 12, 14, 10) if i in positions else None)


def away_in(*positions: int) -> Track:
    return Track(mask=lambda i: None if i in positions else rectangle(20, 12, 14, 10))


def pair(other: Track) -> dict[int, Track]:
    return {0: Track(mask=lambda i: rectangle(10, 10, 20, 20)), 1: other}


def labels(*names: str) -> dict[int, Track]:
    """Objects side by side that do not overlap."""
    return {i: Track(name, lambda _, i=i: rectangle(2 + 12 * i, 12, 10, 10)) for i, name in enumerate(names)}  # type: ignore[misc]


def pixels_of(video: Video, row: int) -> Pixels:
    with Image.open(video.picture(row)) as picture:
        return np.asarray(picture, np.uint8)


def repaint(row: int, change: Callable[[Pixels], Pixels]) -> Callable[[Video], None]:
    return lambda video: Image.fromarray(change(pixels_of(video, row))).save(video.picture(row))


def repaint_all(change: Callable[[Pixels], Pixels]) -> Callable[[Video], None]:
    return lambda video: [repaint(row, change)(video) for row in range(len(video.frames))] and None


def grey(low: int, high: int) -> Callable[[Pixels], Pixels]:
    """The picture's own pattern between two levels."""
    return lambda pixels: np.asarray(low + (pixels.astype(int) - 40) * (high - low) // 180, np.uint8)


def lit(share: float, level: int) -> Callable[[Pixels], Pixels]:
    """The upper part of the picture at one level."""

    def change(pixels: Pixels) -> Pixels:
        changed = pixels.copy()
        changed[: round(HEIGHT * share)] = level
        return changed

    return change


def blurred(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def enlarged(*, soft: bool) -> Callable[[Pixels], Pixels]:
    """A few pixels of the picture as large as all of it, with soft or hard transitions."""
    how = cv2.INTER_CUBIC if soft else cv2.INTER_NEAREST
    return lambda pixels: np.asarray(cv2.resize(pixels[:4, :5], (WIDTH, HEIGHT), interpolation=how), np.uint8)


def overflown(pixels: Pixels) -> Pixels:
    """As the exporter drew normalised frames: 8 bits of numbers below 0 and above 255."""
    normalised = (pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return np.asarray((normalised * 255).astype(np.int64) & 255, np.uint8)


def outlined(pixels: Pixels) -> Pixels:
    """Outlines as the exporter paints them, in pure colours."""
    return np.asarray(cv2.rectangle(pixels.copy(), (8, 8), (50, 40), (0, 255, 0), 2), np.uint8)


def still(video: Video) -> None:
    """A frame shows the picture before it, coded again."""
    Image.fromarray(pixels_of(video, 4) + np.uint8(1)).save(video.picture(5))


def seen_again(video: Video) -> None:
    Image.fromarray(pixels_of(video, 4) + np.uint8(1)).save(video.picture(15))


def cut_short(share: float) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        data = video.picture(5).read_bytes()
        video.picture(5).write_bytes(data[: round(len(data) * share)])

    return change


def strays(*frames: int) -> Callable[[Video], None]:
    def change(video: Video) -> None:
        path = video.folder / "import.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "pictures_without_record": frames}))

    return change


walking = Track(mask=lambda i: rectangle(2 + 2 * i, 12, 14, 10))


CASES: list[tuple[str, str, Make, Make]] = [
    ("schema_frames", "a missing column", spoil(without_column("frames", "time_s")), video()),
    ("schema_frames", "a repeated frame", spoil(set_frame(4, frame_index=0)), video()),
    ("schema_frames", "a negative time", spoil(set_frame(4, time_s=-1.0)), spoil(set_frame(0, time_s=0.0))),
    ("schema_objects", "a missing column", spoil(without_column("objects", "label")), video()),
    ("schema_objects", "an empty label", spoil(set_object(3, label="")), spoil(set_object(3, label="d"))),
    ("schema_objects", "a negative box", spoil(set_object(3, box_x=-1.0)), spoil(set_object(3, box_x=0.0))),
    ("schema_objects", "an unknown provenance", spoil(set_object(3, box_provenance="guessed")), video()),
    ("schema_objects", "an object twice in a frame", spoil(set_object(1, frame_index=0)), video()),
    ("orphan_objects", "a frame that is not there", spoil(set_object(3, frame_index=1)), video()),
    ("orphan_objects", "another video", spoil(set_object(3, video_id="v2")), video()),
    ("orphan_objects", "two videos", spoil(set_frame(3, video_id="v2")), video()),
    ("rle_valid", "runs of another grid", spoil(set_object(3, grid_h=HEIGHT + 1)), video()),
    ("rle_valid", "a cut text", spoil(set_object(3, rle_counts="o")), video()),
    ("rle_valid", "a foreign character", spoil(set_object(3, rle_counts="65536 ")), video()),
    (
        "box_in_frame",
        "one pixel beyond the right edge",
        spoil(set_object(3, box_x=50.0, box_w=15.0)),
        spoil(set_object(3, box_x=50.0, box_w=14.0)),
    ),
    (
        "box_in_frame",
        "below the bottom",
        spoil(set_object(3, box_y=38.0, box_h=10.5)),
        spoil(set_object(3, box_y=38.0, box_h=10.0)),
    ),
    (
        "box_matches_mask",
        "x and y swapped",
        spoil(set_object(3, box_x=12.0, box_y=13.0, box_w=10.0, box_h=14.0)),
        video(),
    ),
    ("box_matches_mask", "two pixels too wide", spoil(set_object(3, box_w=16.0)), spoil(set_object(3, box_w=15.0))),
    (
        "box_matches_mask",
        "one cell off",
        spoil(both(coarse_masks, set_object(3, box_x=4.0))),
        spoil(coarse_masks),
    ),
    (
        "area_matches_mask",
        "two pixels too many",
        spoil(set_object(3, area_px=142.0)),
        spoil(set_object(3, area_px=141.0)),
    ),
    (
        "area_matches_mask",
        "in cells of the grid",
        spoil(both(coarse_masks, set_object(3, area_px=28.0))),
        spoil(coarse_masks),
    ),
    ("area_matches_mask", "marked empty but is not", spoil(set_object(3, empty=True)), video()),
    ("empty_mask", "no pixel", video(tracks={0: Track(mask=lambda i: rectangle(9, 9, 8 * (i != 5), 8))}), video()),
    (
        "whole_frame_mask",
        "all of the frame",
        video(tracks={0: Track(mask=lambda i: rectangle(0, 0, WIDTH, HEIGHT if i == 5 else 9))}),
        video(tracks={0: Track(mask=lambda i: rectangle(0, 0, WIDTH, HEIGHT - 3))}),
    ),
    (
        "speck",
        "a pixel",
        video(tracks={0: Track(mask=lambda i: rectangle(9, 9, 1, 1))}),
        video(tracks={0: Track(mask=lambda i: rectangle(9, 9, 3, 3))}),
    ),
    ("missing_picture", "a quarter without", spoil(without_pictures(range(6))), spoil(without_pictures(range(2)))),
    (
        "missing_picture",
        "files that are gone",
        spoil(without_pictures(range(6), only_files=True)),
        spoil(without_pictures(range(6)), tracks={0: away_in(0, 1, 2, 3, 4, 5)}),
    ),
    ("wrong_picture_size", "half as large", spoil(picture_of_size(32, 24)), spoil(picture_of_size(WIDTH, HEIGHT))),
    ("wrong_picture_size", "turned", spoil(picture_of_size(HEIGHT, WIDTH)), video()),
    ("picture_without_record", "one", spoil(strays(5)), spoil(strays())),
    ("corrupt_picture", "not a picture", spoil(broken_picture), video()),
    ("corrupt_picture", "cut short", spoil(cut_short(0.6)), spoil(cut_short(1.0))),
    ("false_colours", "numbers below 0 and above 255", spoil(repaint(5, overflown)), spoil(repaint(5, outlined))),
    ("black_picture", "with an object", spoil(repaint(5, grey(0, 15))), spoil(repaint(5, grey(8, 40)))),
    (
        "black_picture",
        "with an object in it",
        spoil(repaint(5, grey(0, 1))),
        spoil(repaint(5, grey(0, 1)), tracks={0: away_in(5)}),
    ),
    ("overexposed_picture", "burnt out", spoil(repaint(5, lit(0.6, 255))), spoil(repaint(5, lit(0.4, 255)))),
    ("overexposed_picture", "burnt out", spoil(repaint(5, lit(0.9, 250))), spoil(repaint(5, lit(0.9, 245)))),
    ("underexposed_picture", "no light", spoil(repaint(5, lit(0.8, 3))), spoil(repaint(5, lit(0.7, 3)))),
    ("underexposed_picture", "no light", spoil(repaint(5, lit(0.8, 5))), spoil(repaint(5, lit(0.8, 8)))),
    ("blurred_picture", "one of many", spoil(repaint(5, blurred(2))), spoil(repaint(5, blurred(0.4)))),
    (
        "blurred_picture",
        "all of them",
        spoil(repaint_all(enlarged(soft=True))),
        spoil(repaint_all(enlarged(soft=False))),
    ),
    ("frozen_picture", "masks move on", spoil(still, tracks={0: walking}), video(tracks={0: walking})),
    ("frozen_picture", "masks move on", spoil(still, tracks={0: walking}), spoil(still, tracks={0: away_in()})),
    ("near_duplicate_picture", "one after another", spoil(still), video()),
    ("near_duplicate_picture", "much later again", spoil(seen_again), video()),
    (
        "burnt_in_overlay",
        "every frame",
        video(origin=ImageOrigin.EXPORT_OVERLAY),
        video(origin=ImageOrigin.SOURCE_VIDEO),
    ),
    ("burnt_in_overlay", "one frame", spoil(set_frame(3, image_origin="export_overlay")), video()),
    (
        "duplicate_picture",
        "twice the same bytes",
        spoil(lambda v: set_frame(5, image_sha256=v.frames.loc[4, "image_sha256"])(v)),
        video(),
    ),
    ("no_usable_frame", "no pictures", spoil(without_pictures(range(24))), spoil(without_pictures(range(23)))),
    ("no_usable_frame", "no objects", video(tracks={}), video(tracks={0: only_in(7)})),
    ("too_few_frames", "nine frames", video(frames=9), video(frames=10)),
    ("too_few_frames", "nine with pictures", spoil(without_pictures(range(15))), spoil(without_pictures(range(14)))),
    (
        "too_few_annotations",
        "nine of a class",
        video(tracks={**labels("dog", "cat"), 2: Track("bird", only_in(*range(9)).mask)}),
        video(tracks={**labels("dog", "cat"), 2: Track("bird", only_in(*range(10)).mask)}),
    ),
    (
        "class_imbalance",
        "twelve to one",
        video(tracks={**labels("dog"), 2: Track("bird", only_in(0, 1).mask)}),
        video(tracks={**labels("dog"), 2: Track("bird", only_in(0, 1, 2).mask)}),
    ),
    (
        "frames_without_objects",
        "one of 24",
        video(tracks={0: away_in(23)}),
        video(tracks={0: away_in(23), 1: only_in(23)}),
    ),
    (
        "duplicate_object",
        "the same mask twice",
        video(tracks=pair(Track("cat", lambda i: rectangle(10, 10, 20, 20)))),
        video(tracks=pair(Track("cat", lambda i: rectangle(10, 10, 20, 19)))),
    ),
    (
        "overlapping_objects",
        "all but a few pixels",
        video(tracks=pair(Track("cat", lambda i: rectangle(10, 10, 20, 16)))),
        video(tracks=pair(Track("cat", lambda i: rectangle(10, 10, 20, 13)))),
    ),
    ("placeholder_label", "object_3", video(tracks=labels("object_3")), video(tracks=labels("objective 3"))),
    ("placeholder_label", "Object 4", video(tracks=labels("dog", "Object 4")), video(tracks=labels("dog", "Route 4"))),
    ("placeholder_label", "full width", video(tracks=labels("Ｏｂｊｅｃｔ ４")), video(tracks=labels("犬"))),
    ("near_same_labels", "case", video(tracks=labels("dog", "Dog")), video(tracks=labels("dog", "dot"))),
    ("near_same_labels", "plural", video(tracks=labels("car", "cars")), video(tracks=labels("car", "carts"))),
    ("near_same_labels", "plural in -es", video(tracks=labels("bus", "buses")), video(tracks=labels("bus", "buse x"))),
    ("near_same_labels", "plural in -ies", video(tracks=labels("city", "Cities")), video(tracks=labels("city", "cit"))),
    ("near_same_labels", "people", video(tracks=labels("a person", "a people")), video(tracks=labels("man", "woman"))),
    ("near_same_labels", "width", video(tracks=labels("ＵＦＯ", "UFO")), video(tracks=labels("UFO", "UFA"))),
    (
        "near_same_labels",
        "joined otherwise",
        video(tracks=labels("fire_truck", "fire truck")),
        video(tracks=labels("fire", "truck")),
    ),
    (
        "one_object_changes_label",
        "dog becomes cat",
        video(tracks={0: Track(["dog"] * 9 + ["cat"] * 15)}),
        video(tracks=labels("dog", "cat")),
    ),
    ("object_vanishes", "away for a frame", video(tracks={0: away_in(9)}), video(tracks={0: away_in(9, 10)})),
    (
        "object_vanishes",
        "empty for a frame",
        video(tracks={0: Track(mask=lambda i: rectangle(9, 9, 8 * (i != 9), 8))}),
        video(tracks={0: away_in(23)}),
    ),
    (
        "object_jumps",
        "to the other side",
        video(tracks={0: Track(mask=lambda i: rectangle(2 if i < 9 else 46, 12, 14, 10))}),
        video(tracks={0: Track(mask=lambda i: rectangle(2 if i < 9 else 17, 12, 14, 10))}),
    ),
    (
        "object_jumps",
        "within a second",
        video(step_s=1.0, tracks={0: Track(mask=lambda i: rectangle(2 if i < 9 else 46, 12, 14, 10))}),
        video(step_s=1.1, tracks={0: Track(mask=lambda i: rectangle(2 if i < 9 else 46, 12, 14, 10))}),
    ),
    (
        "declared_box_differs",
        "recomputed",
        spoil(set_object(3, box_provenance=str(Provenance.RECOMPUTED), declared_x=0.0)),
        spoil(set_object(3, box_provenance=str(Provenance.ABSENT))),
    ),
    ("assumed_frame_rate", "assumed", video(fps_origin="assumed"), video(fps_origin="probed")),
]


@pytest.mark.parametrize(("check_id", "case", "bad", "good"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_check_catches_its_case_and_not_the_clean_neighbour(
    check_id: str, case: str, bad: Make, good: Make, tmp_path: Path
) -> None:
    check = next(c for c in CHECKS if c.id == check_id)
    spoilt, clean = bad(tmp_path / "bad"), good(tmp_path / "good")
    caught = assess(spoilt.tables, spoilt.folder, SETTINGS)
    left = assess(clean.tables, clean.folder, SETTINGS)
    assert caught.verdict(check_id).count > 0
    assert caught.verdict(check_id).passed is (check.severity is Severity.INFO)
    assert left.verdict(check_id).passed
    assert not (left.of(check_id)["severity"] != Severity.INFO).any()


def test_every_check_has_a_case_here_or_among_the_defects() -> None:
    injected = {defect.reported_by for defect in ALL if not defect.refused}
    assert {case[0] for case in CASES} | injected == {check.id for check in CHECKS}


def test_a_sound_video_has_no_finding_at_all(tmp_path: Path) -> None:
    clean = make_video(tmp_path / "v")
    findings = assess(clean.tables, clean.folder, QualitySettings())
    assert findings.table.empty
    assert all(verdict.passed for verdict in findings.verdicts)
    FindingsTable.validate(findings.table)


def test_findings_follow_their_schema_and_point_to_frame_and_object(tmp_path: Path) -> None:
    spoilt = make_video(tmp_path / "v", {0: away_in(9), 4: Track("object_4", lambda i: rectangle(2, 2, 8, 8))})
    table = assess(spoilt.tables, spoilt.folder, QualitySettings()).table
    FindingsTable.validate(table)
    vanished = table[table["check"] == "object_vanishes"].iloc[0]
    assert (vanished["frame_index"], vanished["object_id"], vanished["value"], vanished["threshold"]) == (
        27,
        0,
        1.0,
        1.0,
    )
    placeholder = table[table["check"] == "placeholder_label"].iloc[0]
    assert (placeholder["frame_index"], placeholder["object_id"]) == (0, 4)
    assert pd.isna(placeholder["threshold"])


def test_rows_that_fail_their_schema_do_not_disturb_the_other_checks(tmp_path: Path) -> None:
    spoilt = make_video(tmp_path / "v")
    set_object(3, area_px=-5.0, rle_counts="garbage")(spoilt)
    findings = assess(spoilt.tables, spoilt.folder, QualitySettings())
    assert not findings.verdict("schema_objects").passed
    assert findings.verdict("rle_valid").passed
    assert findings.of("schema_objects").iloc[0][["frame_index", "object_id"]].tolist() == [9, 0]


def test_tables_without_rows_are_assessed(tmp_path: Path) -> None:
    some = make_video(tmp_path / "v")
    findings = assess(Tables(some.frames.iloc[:0], some.objects.iloc[:0]), some.folder, QualitySettings())
    assert not findings.verdict("no_usable_frame").passed
    assert not findings.verdict("too_few_frames").passed


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_registry_entries_are_complete(check: object) -> None:
    from sam2_assets.quality import Check

    assert isinstance(check, Check)
    assert check.meaning.endswith(".")
    assert check.remedy.endswith(".")
    assert (check.gates is not None) == (check.severity is Severity.ERROR), "errors stop a station, nothing else does"
    assert check.threshold is None or isinstance(getattr(QualitySettings(), check.threshold), float | int)
