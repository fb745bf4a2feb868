"""Work on long arrays in stretches, on all cores at once; for loops that let go of the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray


def cores() -> int:
    """Cores that this process may use; not every system can say which, then all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_stretches(
    work: Callable[[int, int], None], offsets: NDArray[np.int64], least: int, workers: int | None = None
) -> None:
    """Call ``work(low, high)`` for stretches that together are all items, several at once.

    Args:
        work: does the items ``low..high``, independently of all others.
        offsets: ``n + 1``, the first one 0: how much there is before each item.
        least: so much takes longer than starting a thread.
        workers: threads; all cores if None.
    """
    items = len(offsets) - 1
    stretches = min(workers or cores(), max(1, int(offsets[-1]) // least), max(1, items))
    if stretches == 1:
        work(0, items)
        return
    shares = np.linspace(0, int(offsets[-1]), stretches + 1)[1:-1]
    bounds = [0, *np.searchsorted(offsets, shares).tolist(), items]
    with ThreadPoolExecutor(stretches, thread_name_prefix="stretch") as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
