"""Decisions from the losses, and the budget's arithmetic."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import TrainingError
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.convergence import Divergence, best_validation, divergence, out_of_patience
from sam2_assets.training.limits import Limits


def _history(losses: list[float]) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss} for step, loss in enumerate(losses, 1)]


def test_the_best_validation_is_the_lowest_and_the_first_of_equals() -> None:
    assert best_validation([]) is None
    assert best_validation([(4, 2.0), (8, 1.0), (12, 1.0), (16, 3.0)]) == (8, 1.0)


def test_patience_counts_validations_in_a_row_without_improvement() -> None:
    falling = [(step, 10.0 - step) for step in range(1, 6)]
    assert not out_of_patience(falling, 2, 0.0)
    assert not out_of_patience([*falling, (6, 9.0)], 2, 0.0)
    assert out_of_patience([*falling, (6, 9.0), (7, 5.0)], 2, 0.0)  # 5.0 is the best again, no better
    assert not out_of_patience([*falling, (6, 9.0), (7, 9.0)], 0, 0.0)
    assert out_of_patience(falling, 2, 5.0)  # each falls by less than min_delta


@given(st.lists(st.floats(0.1, 10), min_size=40, max_size=80), st.integers(0, 60))
def test_a_loss_that_only_falls_never_counts_as_diverged(losses: list[float], flat: int) -> None:
    assert _seen(sorted(losses, reverse=True) + [min(losses)] * flat) is None


def _seen(losses: list[float]) -> tuple[int, Divergence] | None:
    """The step at which a run with these losses is ended, and why."""
    for step in range(1, len(losses) + 1):
        found = divergence(_history(losses[:step]))
        if found is not None:
            return step, found
    return None


def test_a_loss_that_climbs_from_the_start_is_seen() -> None:
    seen = _seen([1.0] * 20 + [1.0 + 0.2 * step for step in range(30)])
    assert seen is not None
    step, found = seen
    assert (step, found.first, found.lowest) == (40, 1.0, 1.0)
    assert found.last == pytest.approx(2.9)
    assert _seen([1.0] * 20 + [3.0] * 19) is None


def test_a_loss_that_falls_and_climbs_back_is_seen_below_its_start_too() -> None:
    # A real run at a rate of 0.1: 5.25 in its first 20 steps, 1.54 in the next, then 1.69, 2.66, 3.6.
    def noisy(*means: float) -> list[float]:
        return [mean * (1 + 0.1 * (-1) ** step) for mean in means for step in range(20)]

    seen = _seen(noisy(5.25, 1.54, 1.69, 2.66, 3.6, 3.5))
    assert seen is not None
    step, found = seen
    assert (step, found.first, found.lowest, found.last) == (100, *map(pytest.approx, (5.25, 1.54, 3.6)))
    # Late in a long run a stretch of 20 is no fifth of it: what climbs for so long may be a hill.
    assert _seen(noisy(5.25, *[1.54] * 30, 3.6, *[1.54] * 5)) is None
    assert _seen(noisy(5.25, *[1.54] * 30, *[3.6] * 12)) is not None


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_noise_is_not_taken_for_divergence(spread: float) -> None:
    draw = random.Random(0)
    shape = 1 / spread**2
    for _ in range(20):
        flat = [draw.gammavariate(shape, 1 / shape) for _ in range(400)]
        assert _seen(flat) is None
        assert _seen([loss * (0.2 + 2 * math.exp(-step / 80)) for step, loss in enumerate(flat)]) is None


def test_a_budget_is_judged_by_the_measured_pace_and_says_so() -> None:
    config = TrainingConfig.model_validate({"budget": {"max_gpu_hours": 1.0}})
    limits = Limits(config, steps=1000)
    fits = limits.project([30.0, 3.0, 3.0, 3.5], 4, 0.0)
    assert fits.hours == pytest.approx(996 * 3.0 / 3600, rel=0.01)
    limits.judge(fits)
    # What earlier sessions took counts.
    with pytest.raises(TrainingError, match=r"1000 steps of 3\.00 s as measured") as caught:
        limits.judge(limits.project([30.0, 3.0, 3.0], 4, 3000.0))
    assert (caught.value.code, caught.value.field) == ("over_budget", "budget.max_gpu_hours")


def test_a_cost_limit_is_the_price_times_the_hours() -> None:
    values = {"budget": {"max_cost": 2.0}, "card": {"price_per_hour": 4.0}}
    limits = Limits(TrainingConfig.model_validate(values), steps=1000)
    limits.judge(limits.project([9.0, 1.5], 2, 0.0))
    with pytest.raises(TrainingError) as caught:
        limits.judge(limits.project([9.0, 2.0], 2, 0.0))
    assert caught.value.field == "budget.max_cost"
    assert limits.reached(0.0) is None
    reached = limits.reached(1801.0)
    assert reached is not None
    assert reached.field == "budget.max_cost"
