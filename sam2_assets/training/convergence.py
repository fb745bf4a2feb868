"""What the losses say: which validation was best, whether to go on, whether the training has gone wrong.

Pure functions of the history that checkpoints carry, so that a resumed run decides as an uninterrupted one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sam2_assets.training.curves import validation_points

_WINDOW = 20
_DIVERGED = 1.5
"""A training loss this many times that of the first steps; noise and hard batches stay well below."""


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


def divergence(history: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Mean loss of the first and of the last 20 steps if the training has diverged, else None.

    Args:
        history: the Trainer's, with one ``loss`` a step.
    """
    first = [float(entry["loss"]) for entry in itertools.islice(_losses(history), _WINDOW)]
    last = [float(entry["loss"]) for entry in itertools.islice(_losses(reversed(history)), _WINDOW)]
    steps = sum(1 for _ in itertools.islice(_losses(history), 2 * _WINDOW))
    if steps < 2 * _WINDOW:
        return None
    start, now = sum(first) / _WINDOW, sum(last) / _WINDOW
    return (start, now) if now > _DIVERGED * start else None


def _losses(history: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (entry for entry in history if "loss" in entry)
