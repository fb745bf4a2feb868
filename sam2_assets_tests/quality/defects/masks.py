"""Single masks: their run lengths, what they cover, and what the file says about them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sam2_assets.sample.choreography import HEIGHT, WIDTH
from sam2_assets_tests.quality.defects.clean_export import CleanExport, Mask, square
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def _one_run_longer(export: CleanExport) -> None:
    runs = export.record(6, 1)["mask_rle"].split()
    export.record(6, 1)["mask_rle"] = " ".join([*runs[:-1], str(int(runs[-1]) + 1)])


def _zero_runs(export: CleanExport) -> None:
    """The same mask with a run cut in two by an empty one."""
    first, *others = export.record(6, 1)["mask_rle"].split()
    export.record(6, 1)["mask_rle"] = " ".join([str(int(first) - 1), "0", "1", *others])


def _replace_run(token: str) -> Change:
    def change(export: CleanExport) -> None:
        runs = export.record(6, 1)["mask_rle"].split()
        export.record(6, 1)["mask_rle"] = " ".join([*runs[:3], token, *runs[4:]])

    return change


def _no_runs(export: CleanExport) -> None:
    export.record(6, 1)["mask_rle"] = ""


def _unset(export: CleanExport) -> None:
    export.put(6, 1, np.zeros((HEIGHT, WIDTH), np.uint8))


def _covering(share: float) -> Change:
    def change(export: CleanExport) -> None:
        export.keep(0)
        for position in range(len(export.frames)):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[: round(HEIGHT * share)] = 1
            export.put(position, 0, mask)

    return change


def _small(side: int) -> Change:
    """Another object, a square, in the upper left corner of every frame."""

    def change(export: CleanExport) -> None:
        for position in range(len(export.frames)):
            export.put(position, 7, square(40 + position, 30, side), "ladybird")

    return change


def _second_of(object_id: int, grow: int, label: str) -> Change:
    """Another object with the mask of ``object_id``, grown by so many pixels."""

    def change(export: CleanExport) -> None:
        kernel = np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)
        for position in range(len(export.frames)):
            export.put(position, 7, np.asarray(cv2.dilate(export.mask(position, object_id), kernel), np.uint8), label)

    return change


def _transposed_box(export: CleanExport) -> None:
    for record in export.track(1):
        x, y, w, h = record["bbox"]
        record["bbox"] = [y, x, h, w]


def _no_box(export: CleanExport) -> None:
    for record in export.track(1):
        del record["bbox"]


def _order_stated_wrong(export: CleanExport) -> None:
    for frame in export.frames:
        for record in frame["objects"]:
            record["mask_order"] = "row"


def _order_in_letters(export: CleanExport) -> None:
    for frame in export.frames:
        for record in frame["objects"]:
            record["mask_order"] = "F"


def _areas_in_cells(export: CleanExport) -> None:
    for record in export.track(1):
        record["area"] = round(record["area"] * 65536 / (WIDTH * HEIGHT))


def _no_area(export: CleanExport) -> None:
    for record in export.track(1):
        del record["area"]


def _other_size_stated(export: CleanExport) -> None:
    export.record(6, 1)["mask_size"] = [HEIGHT, WIDTH - 1]


def _no_size_stated(export: CleanExport) -> None:
    del export.record(6, 1)["mask_size"]


def _reshaped(reshape: Callable[[Mask], Mask]) -> Change:
    """Another shape for the balloon in all frames."""

    def change(export: CleanExport) -> None:
        for position in range(len(export.frames)):
            export.put(position, 1, reshape(export.mask(position, 1)))

    return change


def _frayed(mask: Mask) -> Mask:
    """Every pixel of the outline, three pixels wide, is set or not by chance."""
    kernel = np.ones((3, 3), np.uint8)
    rim = cv2.dilate(mask, kernel) - cv2.erode(mask, kernel)
    chance = np.random.default_rng(3).integers(0, 2, mask.shape, np.uint8)
    return np.where(rim > 0, chance, mask).astype(np.uint8)


def _blocky(mask: Mask) -> Mask:
    """The mask on a grid of 8 x 8 pixels a cell, enlarged again."""
    coarse = cv2.resize(mask * np.uint8(255), (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize((coarse >= 128).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))


def _with_crumbs(mask: Mask) -> Mask:
    """Eighty single pixels around the mask, none beside another."""
    x, y, w, h = cv2.boundingRect(mask)
    near = np.zeros_like(mask)
    near[max(y - 8, 0) : y + h + 8 : 6, max(x - 8, 0) : x + w + 8 : 6] = 1
    free = np.argwhere((near == 1) & (cv2.dilate(mask, np.ones((5, 5), np.uint8)) == 0))[:80]
    out = mask.copy()
    out[free[:, 0], free[:, 1]] = 1
    return out


def _behind_poles(mask: Mask) -> Mask:
    """Two upright bars in front of the object cut it in three."""
    x, _, w, _ = cv2.boundingRect(mask)
    out = mask.copy()
    for share in (0.3, 0.65):
        out[:, x + int(share * w) : x + int(share * w) + 6] = 0
    return out


def _with_a_twin(mask: Mask) -> Mask:
    """The mask and the same 400 pixels further left: two things under one id."""
    return np.maximum(mask, np.roll(mask, -400, axis=1))


DEFECTS = (
    Defect(
        "rle_size_mismatch",
        Case("a mask states a size that its runs do not have", _other_size_stated),
        Case("a mask does not state its size", _no_size_stated),
        refused=True,
    ),
    Defect(
        "declared_area_differs",
        Case("the areas of an object are counted in 256ths of the frame", _areas_in_cells),
        Case("the areas of an object are not stated", _no_area),
    ),
    Defect(
        "ragged_boundary",
        Case("the outline of an object is set by chance", _reshaped(_frayed)),
        Case("the outline of an object has steps of eight pixels", _reshaped(_blocky)),
    ),
    Defect(
        "fragmented_mask",
        Case("eighty single pixels lie around an object", _reshaped(_with_crumbs)),
        Case("an object is seen behind two poles", _reshaped(_behind_poles)),
    ),
    Defect(
        "scattered_mask",
        Case("two things far apart are one object", _reshaped(_with_a_twin)),
        Case("an object is seen behind two poles", _reshaped(_behind_poles)),
    ),
    Defect(
        "rle_size_mismatch",
        Case("the run lengths of a mask add up to one cell too many", _one_run_longer),
        Case("a run of a mask is cut in two by an empty one", _zero_runs),
        refused=True,
    ),
    Defect(
        "negative_run",
        Case("a run length is negative", _replace_run("-5")),
        Case("a run of a mask is cut in two by an empty one", _zero_runs),
        refused=True,
    ),
    Defect(
        "bad_run",
        Case("a run length is a word", _replace_run("NaN")),
        Case("a run of a mask is cut in two by an empty one", _zero_runs),
        refused=True,
    ),
    Defect(
        "empty_runs",
        Case("a mask has no run lengths", _no_runs),
        Case("a run of a mask is cut in two by an empty one", _zero_runs),
        refused=True,
    ),
    Defect(
        "mask_order_contradiction",
        Case("the masks state the other scan order", _order_stated_wrong),
        Case("the masks state their scan order by its letter", _order_in_letters),
        refused=True,
    ),
    Defect(
        "empty_mask",
        Case("a mask has no pixel", _unset, also=frozenset({"object_vanishes"})),
        Case("a mask is a small square", _small(8)),
    ),
    Defect(
        "whole_frame_mask",
        Case("the masks of an object cover the frame", _covering(1.0)),
        Case("the masks of an object cover nine tenths of the frame", _covering(0.9)),
    ),
    Defect(
        "speck",
        Case("the masks of an object have four pixels", _small(2)),
        Case("the masks of an object have 64 pixels", _small(8)),
    ),
    Defect(
        "duplicate_object",
        Case("two objects have the same masks", _second_of(1, 0, "ball")),
        Case("an object lies around another", _second_of(1, 30, "halo")),
    ),
    Defect(
        "overlapping_objects",
        Case("two objects nearly coincide", _second_of(1, 2, "ball")),
        Case("an object lies around another", _second_of(1, 30, "halo")),
    ),
    Defect(
        "declared_box_differs",
        Case("the boxes of an object are stated with x and y swapped", _transposed_box),
        Case("the boxes of an object are not stated", _no_box),
    ),
)
