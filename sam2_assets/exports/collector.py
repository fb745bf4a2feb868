"""Reading without Python's collector of cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Cycles are not collected inside.

    A document becomes hundreds of thousands of containers, none of them in a cycle. The collector walks all of them
    over and over while they are made, which took a third of the time of reading a long export.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@contextmanager
def with_collector() -> Iterator[None]:
    """Cycles are collected inside, in the middle of ``without_collector``: for work on large things, one by one."""
    running = gc.isenabled()
    gc.enable()
    try:
        yield
    finally:
        if not running:
            gc.disable()
