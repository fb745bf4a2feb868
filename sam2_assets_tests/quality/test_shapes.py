"""Shapes from run lengths are those of the decoded mask, as OpenCV and plain counting see them."""

from __future__ import annotations

import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from sam2_assets import threads
from sam2_assets.quality import shapes
from sam2_assets.quality.shapes import measure_shapes
from sam2_assets_tests.quality.videos import runs

Mask = NDArray[np.uint8]
GRIDS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
MASKS = GRIDS.flatmap(lambda grid: st.lists(arrays(np.uint8, grid, elements=st.integers(0, 1)), min_size=1, max_size=4))


def perimeter(mask: Mask) -> int:
    wide = np.pad(mask.astype(int), 1)
    return int(np.abs(np.diff(wide, axis=0)).sum() + np.abs(np.diff(wide, axis=1)).sum())


def blob(seed: int, smooth: float) -> Mask:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((90, 120)), (0, 0), smooth)
    return np.asarray(noise > np.quantile(noise, 0.7), np.uint8)


@settings(max_examples=60, deadline=None)
@given(MASKS.filter(lambda masks: all(mask.any() for mask in masks)))
def test_pieces_and_crumbs_are_those_of_opencv(masks: list[Mask]) -> None:
    measured = measure_shapes([runs(mask) for mask in masks], (masks[0].shape[0], masks[0].shape[1]), 3)
    for i, mask in enumerate(masks):
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        cells = sorted(stats[1:, cv2.CC_STAT_AREA].tolist(), reverse=True)
        assert measured.pieces[i] == count - 1
        assert measured.crumbs[i] == sum(each < 3 for each in cells)
        assert measured.second_share[i] == pytest.approx(cells[1] / mask.sum() if len(cells) > 1 else 0.0)


@pytest.mark.parametrize("smooth", [0.6, 1.0, 2.0, 4.0])
def test_raggedness_is_the_outline_over_that_of_every_second_cell(smooth: float) -> None:
    masks = [blob(seed, smooth) for seed in range(3)]
    measured = measure_shapes([runs(mask) for mask in masks], (90, 120), 1)
    expected = [perimeter(mask) / (2 * perimeter(mask[::2, ::2])) for mask in masks]
    assert measured.raggedness.tolist() == pytest.approx(expected)


def test_a_smooth_outline_is_near_one_and_chance_near_two() -> None:
    disc = np.asarray(cv2.circle(np.zeros((90, 120), np.uint8), (60, 45), 35, 1, -1), np.uint8)
    chance = np.random.default_rng(0).integers(0, 2, (90, 120), np.uint8)
    measured = measure_shapes([runs(disc), runs(chance)], (90, 120), 1)
    assert measured.raggedness[0] == pytest.approx(1.0, abs=0.03)
    assert measured.raggedness[1] == pytest.approx(2.0, abs=0.1)


def test_the_gap_between_the_two_largest_pieces_is_in_diagonals_of_the_grid() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[2:12, 2:12] = mask[2:12, 27:35] = mask[20, 20] = 1
    measured = measure_shapes([runs(mask)], (30, 40), 1)
    assert measured.apart.tolist() == [15 / 50]


def test_threads_do_not_change_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [runs(blob(seed, 1.0)) for seed in range(5)]
    whole = measure_shapes(counts, (90, 120), 2)
    monkeypatch.setattr(shapes, "_BYTES_A_THREAD", 1)
    monkeypatch.setattr(threads, "cores", lambda: 3)
    parts = measure_shapes(counts, (90, 120), 2)
    assert all(np.array_equal(getattr(whole, name), getattr(parts, name)) for name in vars(whole))


def test_a_mask_of_millions_of_runs_is_noise_without_being_measured_and_its_neighbours_are_measured() -> None:
    grid = (4096, 4096)
    stripes = np.zeros(grid, np.uint8)
    stripes[::2] = 1
    square = np.zeros(grid, np.uint8)
    square[100:300, 100:300] = 1
    texts = [runs(mask) for mask in (square, stripes, square)]
    shapes = measure_shapes(texts, grid, 4)
    assert shapes.raggedness.tolist() == [1.0, 2.0, 1.0]
    assert shapes.pieces.tolist() == [1, 1, 1]
