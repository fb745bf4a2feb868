"""Intervals by resampling temporal blocks.

Neighbouring frames of a video are near copies of each other, so the unit that is drawn is the block, not the frame.
Percentile bootstrap: Efron & Tibshirani, *An Introduction to the Bootstrap* (1993), section 13.3; for ratios of sums
over clusters section 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
LEAST_BLOCKS = 6
"""With fewer, no interval is given: blocks that all lean one way by chance do so with probability 2 * 0.5^n, which is
above 5 % up to n = 5, while resampling them would always exclude 0."""
_CELLS_AT_ONCE = 4_000_000


def block_sums(values: NDArray[np.float64], blocks: Sequence[object]) -> NDArray[np.float64]:
    """Sums of ``values`` (shape ``(samples, columns)``) over each block, shape ``(blocks, columns)``.

    Blocks come in the order of their first sample.
    """
    numbers: dict[object, int] = {}
    rows = np.array([numbers.setdefault(block, len(numbers)) for block in blocks], dtype=np.int64)
    sums = np.zeros((len(numbers), values.shape[1]))
    np.add.at(sums, rows, values)
    return sums


def resampled_sums(sums: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Totals over ``draws`` samples of the blocks with replacement.

    Args:
        sums: ``(blocks, columns)``; all columns are drawn together, so that differences between them are paired.
        draws: how many.
        seed: of the draws; the same seed draws the same blocks.

    Returns:
        ``(draws, columns)``.
    """
    count = len(sums)
    rng = np.random.default_rng(seed)
    shares = np.full(count, 1.0 / count)
    step = max(1, _CELLS_AT_ONCE // count)
    parts = []
    for start in range(0, draws, step):
        weights = rng.multinomial(count, shares, size=min(step, draws - start))
        parts.append(weights @ sums)
    return np.concatenate(parts)


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """``numerator / denominator``; 0 where the denominator is 0 (nothing claimed: no precision)."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The central 95 % of the draws (linear interpolation between order statistics)."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
