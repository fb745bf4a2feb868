from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.evaluation import bootstrap
from sam2_assets.evaluation.bootstrap import block_sums, interval, ratio, resampled_sums


def test_block_sums_add_up_samples_of_the_same_block() -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert block_sums(values, ["b", "a", "b"]).tolist() == [[5.0, 50.0], [2.0, 20.0]]


def test_a_draw_holds_as_many_blocks_as_there_are_and_only_whole_ones() -> None:
    sums = np.array([[1.0, 1.0], [1.0, 100.0], [1.0, 10_000.0]])
    drawn = resampled_sums(sums, 500, seed=3)
    assert drawn.shape == (500, 2)
    assert set(drawn[:, 0]) == {3.0}
    ones, hundreds, ten_thousands = drawn[:, 1] % 100, drawn[:, 1] // 100 % 100, drawn[:, 1] // 10_000
    assert (ones + hundreds + ten_thousands == 3).all()
    assert ones.max() == hundreds.max() == ten_thousands.max() == 3


def test_draws_do_not_depend_on_how_many_are_held_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.arange(12.0).reshape(6, 2)
    whole = resampled_sums(sums, 100, seed=5)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 7)
    assert np.array_equal(whole, resampled_sums(sums, 100, seed=5))


def test_the_interval_has_the_width_theory_gives_for_independent_blocks() -> None:
    rng = np.random.default_rng(0)
    outcomes = (rng.random(400) < 0.3).astype(float)
    sums = np.column_stack([outcomes, np.ones(400)])
    drawn = resampled_sums(sums, 10_000, seed=1)
    low, high = interval(ratio(drawn[:, 0], drawn[:, 1]))
    share = outcomes.mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert low == pytest.approx(share - half, abs=0.004)
    assert high == pytest.approx(share + half, abs=0.004)


def test_frames_that_are_copies_within_a_block_do_not_narrow_the_interval() -> None:
    blocks = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    few = resampled_sums(np.column_stack([blocks, np.ones(6)]), 2000, seed=2)
    many = resampled_sums(np.column_stack([blocks * 50, np.full(6, 50.0)]), 2000, seed=2)
    assert interval(ratio(few[:, 0], few[:, 1])) == interval(ratio(many[:, 0], many[:, 1]))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(0, 100))
def test_an_interval_of_a_mean_lies_within_the_range_of_its_blocks(values: list[float], seed: int) -> None:
    sums = np.column_stack([values, np.ones(len(values))])
    drawn = resampled_sums(sums, 200, seed)
    low, high = interval(ratio(drawn[:, 0], drawn[:, 1]))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_a_ratio_over_nothing_is_zero() -> None:
    assert ratio(np.array([0.0, 3.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.75]
