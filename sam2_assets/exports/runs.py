"""Run lengths as text into arrays, many masks at a time, and back to where their cells begin and end.

A mask's text is decimal run lengths separated by white space, the first of them of cells that are not set. Masks are
laid end to end in one array, so that no step loops over masks in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_assets.errors import ExportError

Ints = npt.NDArray[np.int64]
_MOST_DIGITS: Final = 10
_EXPORT_AGAIN: Final = "Export again: run lengths are non-negative integers separated by spaces, zero run first."


@dataclass(frozen=True)
class Runs:
    """Run lengths of ``n`` masks.

    Args:
        lengths: all run lengths, mask after mask.
        first: ``n + 1`` offsets; ``lengths[first[i]:first[i + 1]]`` are those of mask ``i``.
    """

    lengths: Ints
    first: Ints

    def __len__(self) -> int:
        return len(self.first) - 1

    def totals(self) -> Ints:
        """Number of cells of each mask, ``(n,)``."""
        return np.add.reduceat(self.lengths, self.first[:-1]) if len(self) else np.zeros(0, np.int64)

    def pick(self, which: Ints) -> Runs:
        """The masks ``which``, in that order."""
        sizes = self.first[which + 1] - self.first[which]
        first = np.concatenate(([0], np.cumsum(sizes)))
        source = np.repeat(self.first[which] - first[:-1], sizes) + np.arange(first[-1])
        return Runs(self.lengths[source], first)


@dataclass(frozen=True)
class Intervals:
    """Cells that are set: half-open, sorted, never touching within a mask.

    Args:
        mask: which mask, ``(k,)``, ascending.
        start: first cell, counted in the mask's own scan order, ``(k,)``.
        stop: one past the last cell, ``(k,)``.
    """

    mask: Ints
    start: Ints
    stop: Ints


def parse_runs(texts: Sequence[str], file: str, fields: Sequence[str]) -> Runs:
    """Read the run lengths of many masks.

    Args:
        texts: one text a mask.
        file: how errors call the file.
        fields: one path a mask, for errors.

    Raises:
        ExportError: ``negative_run``, ``bad_run`` (not an integer, absurdly long), ``empty_runs``.
    """
    # one character stays one byte, so that positions in the bytes are positions in the texts
    data = np.frombuffer(" ".join(texts).encode("ascii", "replace"), np.uint8)
    digit = data - np.uint8(48) < 10
    space = (data == 32) | ((data >= 9) & (data <= 13))
    ends_of_texts = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
    if not bool(np.all(digit | space)):
        bad = int(np.searchsorted(ends_of_texts, int(np.argmin(digit | space)), side="right"))
        raise _bad_text(texts[bad], file, fields[bad])
    edge = np.diff(digit.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    digits = stops - starts
    first = np.concatenate(([0], np.searchsorted(starts, ends_of_texts))).astype(np.int64)
    for i in np.flatnonzero(np.diff(first) == 0)[:1]:
        raise ExportError(
            "empty_runs", "has no run lengths", remedy=_EXPORT_AGAIN, file=file, field=fields[i], value=texts[i]
        )
    for token in np.flatnonzero(digits > _MOST_DIGITS)[:1]:
        i = int(np.searchsorted(first, token, side="right")) - 1
        raise _bad_text(texts[i], file, fields[i])
    lengths = np.zeros(len(starts), np.int64)
    for place in range(int(digits.max(initial=0))):
        here = np.flatnonzero(digits > place)
        lengths[here] = lengths[here] * 10 + (data[starts[here] + place] - np.uint8(48))
    return Runs(lengths, first)


def _bad_text(text: str, file: str, field: str) -> ExportError:
    """The error for the first run of ``text`` that is not a sensible number."""
    for place, token in enumerate(text.split()):
        if token.isascii() and token.isdigit() and len(token) <= _MOST_DIGITS:
            continue
        negative = token.startswith("-") and token[1:].isdigit()
        return ExportError(
            "negative_run" if negative else "bad_run",
            f"run number {place} is {'negative' if negative else 'not a sensible integer'}",
            remedy=_EXPORT_AGAIN,
            file=file,
            field=field,
            value=token,
        )
    raise AssertionError("called for a text without a bad run")


def intervals(runs: Runs, cells: int) -> Intervals:
    """Where the set cells of masks of ``cells`` cells each begin and end; zero-length runs are merged away."""
    stop = np.cumsum(runs.lengths)
    place = np.arange(len(stop)) - np.repeat(runs.first[:-1], np.diff(runs.first))
    is_set = (place % 2 == 1) & (runs.lengths > 0)
    stop = stop[is_set]
    start = stop - runs.lengths[is_set]
    mask = start // cells
    touching = np.zeros(len(start), bool)
    touching[1:] = (start[1:] == stop[:-1]) & (mask[1:] == mask[:-1])
    begins = ~touching
    finishes = np.ones(len(start), bool)
    finishes[:-1] = begins[1:]
    mask = mask[begins]
    return Intervals(mask, start[begins] - mask * cells, stop[finishes] - mask * cells)
