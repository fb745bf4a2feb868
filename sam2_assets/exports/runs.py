"""Run lengths as text into arrays, many masks at a time.

A mask's text is decimal run lengths separated by white space, the first of them of cells that are not set. Masks are
laid end to end in one array, so that no step loops over masks in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_assets.errors import ExportError

Ints = npt.NDArray[np.int64]
_MOST_DIGITS: Final = 10
_PLAIN: Final = re.compile(r"[0-9 \t-\r]*")
_SEPARATOR: Final = re.compile(r"[ \t-\r]+")
_SENSIBLE: Final = re.compile(rf"[0-9]{{1,{_MOST_DIGITS}}}")
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


def parse_runs(texts: Sequence[str], file: str, fields: Callable[[], Sequence[str]]) -> Runs:
    """Read the run lengths of many masks.

    Args:
        texts: one text a mask.
        file: how errors call the file.
        fields: gives one path a mask, for errors.

    Raises:
        ExportError: ``negative_run``, ``bad_run`` (not an integer, absurdly long), ``empty_runs``.
    """
    from sam2_assets.exports.run_loops import read_runs  # compiled: not needed to load the definitions

    # one character stays one byte, so that positions in the bytes are positions in the texts
    data = np.frombuffer(" ".join(texts).encode("ascii", "replace"), np.uint8)
    ends_of_texts = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    lengths, first, sound = read_runs(data, ends_of_texts, _MOST_DIGITS)
    if not sound:
        raise _first_refusal(texts, file, fields())
    return Runs(lengths, first)


def _first_refusal(texts: Sequence[str], file: str, fields: Sequence[str]) -> ExportError:
    """The error for texts that are not all sound: odd characters first, then no number, then too long a number."""
    for text, field in zip(texts, fields, strict=True):
        if not _PLAIN.fullmatch(text):
            return _bad_text(text, file, field)
    for text, field in zip(texts, fields, strict=True):
        if not _tokens(text):
            return ExportError(
                "empty_runs", "has no run lengths", remedy=_EXPORT_AGAIN, file=file, field=field, value=text
            )
    i = next(i for i, text in enumerate(texts) if any(len(token) > _MOST_DIGITS for token in _tokens(text)))
    return _bad_text(texts[i], file, fields[i])


def _tokens(text: str) -> list[str]:
    # str.split() would also split at white space beyond ASCII, which separates no runs
    return [token for token in _SEPARATOR.split(text) if token]


def _bad_text(text: str, file: str, field: str) -> ExportError:
    """The error for the first run of ``text`` that is not a sensible number."""
    tokens = _tokens(text)
    place = next(i for i, token in enumerate(tokens) if not _SENSIBLE.fullmatch(token))
    negative = tokens[place].startswith("-") and tokens[place][1:].isdigit()
    return ExportError(
        "negative_run" if negative else "bad_run",
        f"run number {place} is {'negative' if negative else 'not a sensible integer'}",
        remedy=_EXPORT_AGAIN,
        file=file,
        field=field,
        value=tokens[place],
    )
