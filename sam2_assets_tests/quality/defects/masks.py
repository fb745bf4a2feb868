"""Single masks: their run lengths, what they cover, and what the file says about them."""

from __future__ import annotations

import cv2
import numpy as np

from sam2_assets.sample.choreography import HEIGHT, WIDTH
from sam2_assets_tests.quality.defects.clean_export import CleanExport, Mask
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


def _block(x: int, y: int, side: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def _small(side: int) -> Change:
    """Another object, a square, in the upper left corner of every frame."""

    def change(export: CleanExport) -> None:
        for position in range(len(export.frames)):
            export.put(position, 7, _block(40 + position, 30, side), "ladybird")

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


DEFECTS = (
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
    Defect("speck", Case("the masks of an object have four pixels", _small(2)), Case("they have 64", _small(8))),
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
