"""Holding a run to its budget: the first steps are measured, the estimate corrected, and the clock watched."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sam2_assets.errors import TrainingError
from sam2_assets.training.config import TrainingConfig

STEPS_BEFORE_BUDGET_IS_JUDGED = 5
_HOUR = 3600.0


@dataclass(frozen=True)
class Projection:
    """What the whole run will take at the measured pace."""

    seconds_a_step: float
    hours: float
    cost: float


class Limits:
    """The budget of one run.

    Args:
        config: names the limits and the price.
        steps: optimiser steps of the whole run.
    """

    def __init__(self, config: TrainingConfig, steps: int) -> None:
        self._budget = config.budget
        self._price = config.card.price_per_hour
        self._steps = steps
        self._started = time.monotonic()

    def session_seconds(self) -> float:
        """Since this session began."""
        return time.monotonic() - self._started

    def project(self, durations: Sequence[float], step: int, earlier_s: float) -> Projection:
        """The whole run from what ``step`` steps took.

        Args:
            durations: seconds of this session's steps; the first one warms caches up and is left out.
            step: steps made so far, in all sessions.
            earlier_s: seconds of earlier sessions.
        """
        pace = statistics.median(durations[1:])
        hours = (earlier_s + self.session_seconds() + (self._steps - step) * pace) / _HOUR
        return Projection(pace, hours, hours * self._price)

    def judge(self, projection: Projection) -> None:
        """Refuse to go on if the run would break its budget.

        Raises:
            TrainingError: ``over_budget``.
        """
        pace = f"{self._steps} steps of {projection.seconds_a_step:.2f} s as measured"
        if projection.hours > self._budget.max_gpu_hours:
            raise _over_budget("max_gpu_hours", self._budget.max_gpu_hours, f"{pace} take {projection.hours:.2f} hours")
        if self._budget.max_cost is not None and projection.cost > self._budget.max_cost:
            raise _over_budget("max_cost", self._budget.max_cost, f"{pace} cost {projection.cost:.2f}")

    def reached(self, earlier_s: float) -> TrainingError | None:
        """The limit that the clock has passed, as the error to end with once a checkpoint is written; else None."""
        session = self.session_seconds() / _HOUR
        hours = earlier_s / _HOUR + session
        if hours > self._budget.max_gpu_hours:
            return _over_budget("max_gpu_hours", self._budget.max_gpu_hours, f"the run has taken {hours:.2f} hours")
        if self._budget.max_cost is not None and hours * self._price > self._budget.max_cost:
            return _over_budget(
                "max_cost", self._budget.max_cost, f"the run has cost {hours * self._price:.2f} in {hours:.2f} hours"
            )
        if self._budget.max_session_hours is not None and session > self._budget.max_session_hours:
            return TrainingError(
                "session_limit",
                f"this run ended after {session:.2f} hours with a checkpoint",
                field="budget.max_session_hours",
                value=self._budget.max_session_hours,
                remedy="Run again: it goes on from there.",
            )
        return None


def _over_budget(field: str, allowed: float, what: str) -> TrainingError:
    return TrainingError(
        "over_budget",
        what,
        field=f"budget.{field}",
        value=allowed,
        remedy="Raise the budget, plan and approve again, and run: it goes on from its checkpoint if there is one; "
        "or lower max_steps, epochs or max_samples.",
    )
