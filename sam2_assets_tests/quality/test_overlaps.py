"""Overlaps are found without comparing all masks, and are those that comparing all masks finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pycocotools.mask as coco
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_assets.coordinates import iou, ious
from sam2_assets.quality import Context, QualitySettings
from sam2_assets.quality import masks as quality_masks
from sam2_assets.quality.checks.overlaps import CHECKS
from sam2_assets.quality.masks import pair_ious
from sam2_assets.quality.texts import Texts
from sam2_assets.tables import Tables

MEASURES = {check.id: check.measure for check in CHECKS}
MASKS = st.lists(hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 1)), min_size=1, max_size=5)


class Present(Context):
    """A context with these present objects and nothing else."""

    def __init__(self, frames: list[list[np.ndarray]], most: float) -> None:
        super().__init__(Tables(pd.DataFrame(), pd.DataFrame()), Path(), QualitySettings(max_overlap_iou=most))
        rows = [
            {
                "frame_index": frame,
                "object_id": k,
                "label": f"label {k}",
                "grid_h": mask.shape[0],
                "grid_w": mask.shape[1],
                "rle_counts": coco.encode(np.asfortranarray(mask))["counts"].decode("ascii"),
                "mask_area_scaled": float(mask.sum()),
                **dict(zip(("mask_x", "mask_y", "mask_w", "mask_h"), _box(mask), strict=True)),
            }
            for frame, masks in enumerate(frames)
            for k, mask in enumerate(masks)
            if mask.any()
        ]
        columns = ["frame_index", "object_id", "label", "grid_h", "grid_w", "rle_counts", "mask_area_scaled"]
        self.__dict__["present_objects"] = pd.DataFrame(
            rows, columns=[*columns, "mask_x", "mask_y", "mask_w", "mask_h"]
        )


def _box(mask: np.ndarray) -> tuple[float, ...]:
    return tuple(coco.toBbox(coco.encode(np.asfortranarray(mask))).tolist())


def by_pycocotools(texts: list[str], grid: tuple[int, int]) -> np.ndarray:
    masks = [{"size": list(grid), "counts": text.encode()} for text in texts]
    return np.asarray(coco.iou(masks, masks, [0] * len(masks)))


@settings(deadline=None, max_examples=150)
@given(st.lists(MASKS, min_size=1, max_size=3), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_overlaps_are_those_of_all_pairs(frames: list[list[np.ndarray]], most: float) -> None:
    context = Present(frames, most)
    expected = []
    for frame, objects in context.present_objects.groupby("frame_index"):
        texts = objects["rle_counts"].tolist()
        ids = objects["object_id"].tolist()
        overlap = by_pycocotools(texts, (4, 5))
        expected += [
            (frame, ids[i], ids[j], float(overlap[i, j]))
            for i in range(len(ids))
            for j in range(i + 1, len(ids))
            if overlap[i, j] > most and texts[i] != texts[j]
        ]
    found = list(MEASURES["overlapping_objects"](context))
    assert [(f.frame_index, f.object_id, f.value) for f in found] == [(e[0], e[2], e[3]) for e in expected]
    for finding, (_, first, second, _) in zip(found, expected, strict=True):
        assert f"objects {first} (label {first}) and {second} (label {second})" in finding.message


@settings(deadline=None, max_examples=100)
@given(st.lists(MASKS, min_size=1, max_size=3))
def test_duplicates_are_all_later_objects_with_the_same_mask(frames: list[list[np.ndarray]]) -> None:
    context = Present(frames, 0.7)
    expected = set()
    for frame, masks in enumerate(frames):
        for j, later in enumerate(masks):
            if later.any() and any(np.array_equal(later, earlier) for earlier in masks[:j]):
                expected.add((frame, j))
    found = [(f.frame_index, f.object_id) for f in MEASURES["duplicate_object"](context)]
    assert sorted(found) == sorted(expected)


BOXES = st.lists(st.tuples(*[st.floats(-50, 50), st.floats(-50, 50), st.floats(0, 50), st.floats(0, 50)]), min_size=1)


@given(BOXES)
def test_many_overlaps_of_boxes_are_each_what_one_is(boxes: list[tuple[float, ...]]) -> None:
    others = [*boxes[1:], boxes[0]]
    found = ious(np.array(boxes), np.array(others)).tolist()
    assert found == [iou(a, b) for a, b in zip(boxes, others, strict=True)]


@pytest.mark.parametrize(("bound", "value"), [("_MANY_RUNS", 0), ("_MOST_BYTES", 100)])
def test_overlaps_of_large_masks_are_the_same_by_cells_and_in_parts(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    cells = np.random.default_rng(0).random((6, 40, 30)) < 0.4
    cells[5] = False
    counts = [coco.encode(np.asfortranarray(each, np.uint8))["counts"].decode() for each in cells]
    pairs = np.array([(i, j) for i in range(6) for j in range(6)])
    expected = by_pycocotools(counts, (40, 30)).ravel()
    assert np.allclose(pair_ious(Texts.of(counts), pairs, (40, 30)), expected)
    monkeypatch.setattr(quality_masks, bound, value)
    assert np.allclose(pair_ious(Texts.of(counts), pairs, (40, 30)), expected)
