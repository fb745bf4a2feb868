"""What the losses say: which validation was best, whether to go on, whether the training has gone wrong.

Pure functions of the history that checkpoints carry, so that a resumed run decides as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sam2_assets.training.curves import validation_points

_WINDOW = 20
_SHARE = 5
_DIVERGED = 1.5
"""A training loss this many times that of the first steps."""
_RELAPSED = 2.0
"""A training loss this many times the lowest."""
_SURE = 5.0
"""Standard errors. Without this, three of four flat runs of 1000 steps are taken for diverged if their losses vary as
much as they are high (gamma-distributed, simulated); one of four if half as much."""


def judged(history: Sequence[Mapping[str, Any]], metric: str) -> list[tuple[int, float]]:
    """``(step, value)`` of each validation, lower is better: the loss, or 1 minus the mean box IoU."""
    points = validation_points(history, metric)
    return [(step, 1 - value) for step, value in points] if metric == "box_iou" else points


def best_validation(points: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    """``(step, value)`` of the lowest value, the first of equals; None if there was none."""
    return min(points, key=lambda point: (point[1], point[0]), default=None)


def out_of_patience(points: Iterable[tuple[int, float]], patience: int, min_delta: float) -> bool:
    """Whether the last ``patience`` validations in a row were no improvement by more than ``min_delta``; 0: never."""
    best, waited = float("inf"), 0
    for _, value in points:
        if value < best - min_delta:
            best, waited = value, 0
        else:
            waited += 1
    return 0 < patience <= waited


@dataclass(frozen=True)
class Divergence:
    """Mean losses of a training that went wrong: of its first steps, of its lowest stretch, and of its last."""

    first: float
    lowest: float
    last: float


def divergence(history: Sequence[Mapping[str, Any]]) -> Divergence | None:
    """Whether the training has diverged, looked at once every 20 steps from the 40th on; else None.

    It has if the mean of the last 20 steps is 1.5 times that of the first 20; or if the last fifth of the steps made
    (at least 20) has lost more than half of what the lowest stretch of that length had gained, and is twice as high. A
    model that has collapsed gives the answers' tokens by their frequency alone: on answers made of numbers that is
    often better than where the training began. Both only where the noise from step to step does not explain it.

    Args:
        history: the Trainer's, with one ``loss`` a step.
    """
    losses = [float(entry["loss"]) for entry in history if "loss" in entry]
    if len(losses) < 2 * _WINDOW or len(losses) % _WINDOW:
        return None
    first = _Stretch.of(losses[:_WINDOW])
    length = max(_WINDOW, len(losses) // _SHARE // _WINDOW * _WINDOW)
    stretches = [_Stretch.of(losses[at : at + length]) for at in range(0, len(losses) - length + 1, _WINDOW)]
    lowest = min(stretches, key=lambda stretch: stretch.mean)
    newest, last = _Stretch.of(losses[-_WINDOW:]), stretches[-1]
    if newest.mean > _DIVERGED * first.mean and newest.surely_above(first):
        return Divergence(first.mean, lowest.mean, newest.mean)
    lost, gained = last.mean - lowest.mean, first.mean - lowest.mean
    if lost > gained / 2 and last.mean > _RELAPSED * lowest.mean and last.surely_above(lowest):
        return Divergence(first.mean, lowest.mean, last.mean)
    return None


@dataclass(frozen=True)
class _Stretch:
    """Mean of successive losses, and the variance of that mean."""

    mean: float
    variance: float

    @classmethod
    def of(cls, losses: Sequence[float]) -> _Stretch:
        mean = math.fsum(losses) / len(losses)
        squares = math.fsum((loss - mean) ** 2 for loss in losses)
        return cls(mean, squares / (len(losses) - 1) / len(losses))

    def surely_above(self, other: _Stretch) -> bool:
        return self.mean - other.mean > _SURE * math.sqrt(self.variance + other.variance)
