"""What the losses say: which validation was best, whether to go on, whether the training has gone wrong.

Pure functions of the history that checkpoints carry, so that a resumed run decides as an uninterrupted one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_WINDOW = 20
_DIVERGED = 1.5
"""A training loss this many times that of the first steps; noise and hard batches stay well below."""


def best_validation(points: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    """``(step, loss)`` of the lowest validation loss, the first of equals; None if there was none."""
    return min(points, key=lambda point: (point[1], point[0]), default=None)


def out_of_patience(points: Iterable[tuple[int, float]], patience: int, min_delta: float) -> bool:
    """Whether the last ``patience`` validations in a row were no improvement by more than ``min_delta``; 0: never."""
    best, waited = float("inf"), 0
    for _, loss in points:
        if loss < best - min_delta:
            best, waited = loss, 0
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
