"""The strategy by video: whole videos are dealt to train, val and test, and stay where they are when others arrive."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.temporal import TEST, TRAIN, VAL

SIDES: Final = (TRAIN, VAL, TEST)
Rows = Mapping[str, npt.NDArray[np.float64]]
"""Unit name to its frames and its frames of each label."""
# Every two of so many are tried for a swap: half a million would take minutes.
_MOST_SWAPPED: Final = 120
_ROUNDS: Final = 20
# What a label that is held back and never trained counts: nothing can be learned about it.
_UNTRAINED_POINTS: Final = 5.0


@dataclass(frozen=True)
class Unit:
    """Videos that must stay together: one, or several that show one recording.

    Args:
        name: the first of their partitions.
        frames: of all of them.
        labels: main labels of these frames.
    """

    name: str
    frames: int
    labels: Counter[str]


def deal(units: Sequence[Unit], fixed: Mapping[str, str], settings: SplitSettings) -> dict[str, str]:
    """Deal units to the three sides.

    Those in ``fixed`` stay. The others are taken in an order that only the seed and their names decide; each goes to
    the side that lacks most. Then single ones move, and two change places, as long as that lowers the largest
    deviation of a label's share or of a side's size, in percentage points, or the number of labels that are held back
    and never trained. No side is left empty where there are units to fill it.

    Args:
        units: at least three.
        fixed: unit name to side.
        settings: ratios and seed.

    Returns:
        Unit name to side.
    """
    labels = sorted({label for unit in units for label in unit.labels})
    rows = {unit.name: np.array([unit.frames, *(unit.labels[label] for label in labels)], float) for unit in units}
    sides = {unit.name: fixed[unit.name] for unit in units if unit.name in fixed}
    ratios = np.array([settings.train, settings.val, settings.test])
    order = [unit.name for unit in units if unit.name not in fixed]
    order.sort(key=lambda name: hashlib.sha256(f"{settings.seed} {name}".encode()).digest())
    sums = np.zeros((3, len(labels) + 1))
    for name, side in sides.items():
        sums[SIDES.index(side)] += rows[name]
    total = sum(row[0] for row in rows.values())
    for name in order:
        lacking = int(np.argmax(ratios - sums[:, 0] / total))
        sides[name] = SIDES[lacking]
        sums[lacking] += rows[name]
    _fill_empty(order, sides, sums, rows)
    _improve(order, sides, sums, rows, ratios)
    return sides


def _fill_empty(
    order: Sequence[str],
    sides: dict[str, str],
    sums: npt.NDArray[np.float64],
    rows: Rows,
) -> None:
    for empty in (index for index in range(3) if sums[index, 0] == 0):
        spare = [n for n in order if sum(side == sides[n] for side in sides.values()) > 1]
        if not spare:
            return
        smallest = min(spare, key=lambda name: (rows[name][0], order.index(name)))
        sums[SIDES.index(sides[smallest])] -= rows[smallest]
        sums[empty] += rows[smallest]
        sides[smallest] = SIDES[empty]


def _cost(sums: npt.NDArray[np.float64], ratios: npt.NDArray[np.float64]) -> float:
    """Largest deviations in points, of labels and, counting twice, of sizes; labels not trained; all of labels."""
    sizes = sums[:, 0]
    if (sizes == 0).any():
        return float("inf")
    size_points = np.abs(sizes / sizes.sum() - ratios) * 100
    counted = sums[:, 1:].sum(axis=1, keepdims=True)
    shares = sums[:, 1:] / np.maximum(counted, 1)
    overall = sums[:, 1:].sum(axis=0) / max(float(counted.sum()), 1.0)
    label_points = np.abs(shares - overall) * 100
    largest = float(label_points.max()) if label_points.size else 0.0
    # Where no move lowers the largest deviation, the sum still tells better from worse.
    untrained = int(((sums[0, 1:] == 0) & (sums[1:, 1:].sum(axis=0) > 0)).sum())
    return round(
        largest + 2 * float(size_points.max()) + float(label_points.sum()) / 20 + _UNTRAINED_POINTS * untrained, 9
    )


def _improve(
    order: Sequence[str],
    sides: dict[str, str],
    sums: npt.NDArray[np.float64],
    rows: Rows,
    ratios: npt.NDArray[np.float64],
) -> None:
    best = _cost(sums, ratios)
    swapped = list(itertools.combinations(order, 2)) if len(order) <= _MOST_SWAPPED else []
    for _ in range(_ROUNDS):
        before = best
        for name in order:
            for side in range(3):
                best = _try(((name, side),), sides, sums, rows, ratios, best)
        for one, two in swapped:
            if sides[one] != sides[two]:
                exchange = ((one, SIDES.index(sides[two])), (two, SIDES.index(sides[one])))
                best = _try(exchange, sides, sums, rows, ratios, best)
        if best >= before:
            return


def _try(
    moves: Sequence[tuple[str, int]],
    sides: dict[str, str],
    sums: npt.NDArray[np.float64],
    rows: Rows,
    ratios: npt.NDArray[np.float64],
    best: float,
) -> float:
    """Make the moves if they lower the cost; the cost afterwards."""
    tried = sums.copy()
    for name, side in moves:
        tried[SIDES.index(sides[name])] -= rows[name]
        tried[side] += rows[name]
    cost = _cost(tried, ratios)
    if cost >= best:
        return best
    sums[:] = tried
    for name, side in moves:
        sides[name] = SIDES[side]
    return cost
