"""COCO's compressed run lengths as plain ones: ``pycocotools`` reads them only into whole masks.

The format is that of ``rleToString`` in COCO's ``maskApi.c``: little-endian groups of five bits, one printable
character each (from ``0``), bit 5 says that more follow, bit 4 of the last one is the sign; from the fourth run on the
difference to the run before the last is written.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_ZERO: Final = 48
_MOST_GROUPS: Final = 7
"""Groups of a number: 35 bits, far more than any mask has cells."""
_LARGEST: Final = 10**10
_MOST_CELLS: Final = 16_384**2


def decompress(text: str) -> npt.NDArray[np.int64]:
    """The run lengths of a compressed string, zero run first, ``(n,)``.

    Raises:
        ValueError: with what is wrong: a foreign character, a cut-off number, a run that is negative or absurd.
    """
    groups = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - _ZERO
    if not len(groups):
        raise ValueError("no run lengths")
    if groups.min() < 0 or groups.max() > 63:
        raise ValueError("a character that COCO's compressed run lengths do not have")
    last = np.flatnonzero(groups & 32 == 0)
    if not len(last) or last[-1] != len(groups) - 1:
        raise ValueError("the last number is cut off")
    first = np.concatenate(([0], last[:-1] + 1))
    sizes = last - first + 1
    if sizes.max() > _MOST_GROUPS:
        raise ValueError("a number of more than 35 bits")
    place = np.arange(len(groups)) - np.repeat(first, sizes)
    values = np.add.reduceat((groups & 31) << (5 * place), first)
    values -= np.where(groups[last] & 16, np.int64(1) << (5 * sizes), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0:
        raise ValueError("a negative run")
    if values.max() > _LARGEST:
        raise ValueError("an absurdly long run")
    # one character stands for a run of many digits as long as runs grow: a megabyte of text could become many
    if values.sum() > _MOST_CELLS:
        raise ValueError("more cells than any mask has")
    return values
