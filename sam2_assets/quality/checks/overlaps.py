"""Checks of the objects of one frame against each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.masks import pair_ious
from sam2_assets.quality.rows import grouped, rows
from sam2_assets.quality.texts import Texts


def _duplicates(context: Context) -> Iterator[Finding]:
    objects = context.present_objects
    # masks of different areas or places differ: comparing a few numbers spares nearly all of the long texts
    measures = ["frame_index", "mask_area_scaled", "mask_x", "mask_y"]
    alike = objects[objects.duplicated(measures, keep=False)]
    keys = ("frame_index", "grid_h", "grid_w", "rle_counts")
    for (frame_index, *_), (first, *others) in grouped(alike, *keys).items():
        for other in others:
            yield Finding(
                f"frame {frame_index}: objects {first.object_id} ({first.label}) and {other.object_id} "
                f"({other.label}) have the same mask",
                frame_index,
                other.object_id,
            )


def _overlaps(context: Context) -> Iterator[Finding]:
    # Masks are compared on their own grid, never resampled: an export writes all masks of a frame on one grid.
    objects = context.present_objects
    most = context.settings.max_overlap_iou
    pairs = _possible_pairs(objects, most)
    # a number for each text: a frame of long texts has too many pairs to hold the texts of both
    involved, place = np.unique(pairs, return_inverse=True)
    text, _ = pd.factorize(objects["rle_counts"].iloc[involved])
    one, other = text[place.reshape(-1, 2)].T
    pairs = pairs[one != other]
    found = _ious(objects, pairs)
    above = found > most
    named = rows(objects[["frame_index", "object_id", "label"]].iloc[pairs[above].ravel()])
    for a, b, overlap in zip(named[::2], named[1::2], found[above].tolist(), strict=True):
        yield Finding(
            f"frame {a.frame_index}: objects {a.object_id} ({a.label}) and {b.object_id} ({b.label}) "
            f"overlap by IoU {overlap:.2f}",
            a.frame_index,
            b.object_id,
            overlap,
        )


def _ious(objects: pd.DataFrame, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each pair of rows, a frame at a time: together, their masks could fill the memory."""
    found = np.zeros(len(pairs))
    if not len(pairs):
        return found
    texts = Texts.of(objects["rle_counts"])
    place = objects[["frame_index", "grid_h", "grid_w"]].to_numpy(np.int64)[pairs[:, 0]]
    starts = np.flatnonzero(np.concatenate(([True], (place[1:] != place[:-1]).any(axis=1))))
    for low, high in zip(starts.tolist(), [*starts[1:].tolist(), len(pairs)], strict=True):
        found[low:high] = pair_ious(texts, pairs[low:high], (int(place[low, 1]), int(place[low, 2])))
    return found


def _possible_pairs(objects: pd.DataFrame, iou: float) -> NDArray[np.int64]:
    """Rows of all pairs on one frame and grid that could overlap by more than ``iou``, ``(n, 2)``.

    Two masks have at most the smaller area in common, and at most what their boxes have in common. Pairs come by frame
    and grid in the order in which these first occur, then by their places in it.
    """
    group = objects.groupby(["frame_index", "grid_h", "grid_w"], sort=False).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    group, area = group[order], objects["mask_area_scaled"].to_numpy(np.float64)[order]
    x, y, w, h = (objects[f"mask_{name}"].to_numpy(np.float64)[order] for name in "xywh")
    found = [np.zeros((0, 2), np.int64)]
    distance = 1
    while len(first := np.flatnonzero(group[distance:] == group[:-distance])):
        second = first + distance
        # a box in pixels is rounded from cells: as areas are scaled, a side may be up to a pixel longer
        across = np.minimum(x[first] + w[first], x[second] + w[second]) - np.maximum(x[first], x[second]) + 1
        down = np.minimum(y[first] + h[first], y[second] + h[second]) - np.maximum(y[first], y[second]) + 1
        smaller = np.minimum(area[first], area[second])
        common = np.minimum(smaller, np.maximum(across, 0) * np.maximum(down, 0))
        # a hair of room, as areas are floats
        close = common > (iou - 1e-9) * (area[first] + area[second] - common)
        found.append(np.stack([first[close], second[close]], 1))
        distance += 1
    pairs = np.concatenate(found)
    by_place: NDArray[np.int64] = order[pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]]
    return by_place


CHECKS = (
    Check(
        id="duplicate_object",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Two objects of a frame with the same mask: one thing counted twice, or two names for one thing.",
        remedy="Delete one of the two objects in the demo and export again.",
        measure=_duplicates,
        pictured="drawn",
    ),
    Check(
        id="overlapping_objects",
        severity=Severity.WARNING,
        gates=None,
        meaning="Two objects of a frame whose masks nearly coincide: often one thing annotated twice.",
        remedy="Delete one of the two objects, or separate them with negative clicks; parts of a whole may stay.",
        measure=_overlaps,
        threshold="max_overlap_iou",
        pictured="drawn",
    ),
)
