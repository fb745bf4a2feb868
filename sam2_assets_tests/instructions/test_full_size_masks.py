"""Masks of the views that know only the frame's size, against OpenCV's enlarging and the COCO API's encoding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from sam2_assets.errors import DatasetError
from sam2_assets.exports.masks import pixel_edges
from sam2_assets.instructions.rows import RowObject
from sam2_assets.instructions.views.masks import full_size_rle


def thing(counts: str, grid: tuple[int, int]) -> RowObject:
    return RowObject(0, "a", (0.0, 0.0, 1.0, 1.0), 1.0, grid, counts)


sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(deadline=None)
@given(sizes, sizes, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]))
def test_a_mask_is_enlarged_as_opencv_does_and_written_as_coco_does(
    grid: tuple[int, int], frame: tuple[int, int], seed: int, share: float
) -> None:
    cells = (np.random.default_rng(seed).random(grid) < share).astype(np.uint8)
    counts = coco_mask.encode(np.asfortranarray(cells))["counts"].decode()
    (height, width) = frame
    enlarged = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    expected = coco_mask.encode(np.asfortranarray(enlarged))["counts"].decode()
    assert full_size_rle(thing(counts, grid), width, height) == {"size": [height, width], "counts": expected}


def test_where_pixels_fall_between_cells_the_mask_still_has_the_importers_box() -> None:
    # Of 256 cells on 322 pixels, one pixel shows another cell than whole numbers would say.
    cells = np.arange(256)
    assert pixel_edges(256, 322).tolist() != [*(-(-cells * 322 // 256)).tolist(), 322]
    for column in range(256):
        mask = np.zeros((256, 256), np.uint8, order="F")
        mask[:, column] = 1
        rle = full_size_rle(thing(coco_mask.encode(mask)["counts"].decode(), (256, 256)), 322, 322)
        left, right = pixel_edges(256, 322)[[column, column + 1]]
        assert coco_mask.toBbox(rle).tolist() == [left, 0, right - left, 322]


@pytest.mark.parametrize("counts", ["", "1", "0", "~~~", "ä", "oooooooooo", "P1o", "`0`0"])
def test_counts_of_another_grid_are_refused(counts: str) -> None:
    with pytest.raises(DatasetError) as caught:
        full_size_rle(thing(counts, (4, 4)), 8, 8)
    assert caught.value.code == "mask_runs"
