"""Decisions from the losses, and the budget's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import TrainingError
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.convergence import best_validation, divergence, out_of_patience
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
    assert divergence(_history(sorted(losses, reverse=True) + [min(losses)] * flat)) is None


def test_a_climbing_loss_is_seen_and_short_or_noisy_runs_are_not_taken_for_it() -> None:
    climbing = [1.0] * 20 + [1.0 + 0.2 * step for step in range(30)]
    assert divergence(_history(climbing[:39])) is None
    found = divergence(_history(climbing))
    assert found is not None
    assert found[1] > 1.5 * found[0]
    assert divergence(_history([1.0, 1.8] * 40)) is None


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
