"""Compiles loops over run lengths to machine code; imported only inside functions, because numba takes 0.4 s to load.

Numba writes what it compiled beside the source, or else into the user's cache folder, or into ``NUMBA_CACHE_DIR``,
and reads it back in the next process. Where none of them can be written, every process compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., object])


def compiled(loop: Loop) -> Loop:
    """Compile ``loop`` at its first call; it then runs without the interpreter's lock."""
    try:
        return cast(Loop, numba.njit(cache=True, nogil=True)(loop))
    except RuntimeError:  # numba found no folder that it may write its cache to
        return cast(Loop, numba.njit(nogil=True)(loop))
