"""What a video looks like, coarsely and without what the exporter painted: the same video is known by it again.

Exporting a video again with other annotations paints its pictures differently, and another rate picks other frames;
the pixels between the paint stay. So brightness is kept on a coarse grid, painted cells left out, for the frames that
two exports at different rates are most likely to share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sam2_assets.exports.pictures import Pixels

COLUMNS: Final = 32
ROWS: Final = 18
_FRAMES: Final = 12
# the demo's steps between frames, at the 30 frames a second that it assumes
_STEPS: Final = (240, 120, 60, 30, 15, 6, 3, 2)
_PAINTED: Final = "--"
# Of real exports, painted against clean or against the source video: 0.99 and more of the cells within four levels; of
# different videos less than 0.1.
SAME_LEVEL: Final = 4
LEAST_AGREEMENT: Final = 0.97
_LEAST_CELLS: Final = 60
_LEAST_SPREAD: Final = 1.0
# flat pictures agree in level alone
_LEAST_CORRELATION: Final = 0.9
_LEAST_FRAMES: Final = 2

Appearance = Mapping[str, str]
"""Frame index -> ``ROWS * COLUMNS`` cells row by row, two hexadecimal digits of brightness each, ``--`` if painted."""


def telling_frames(indices: Collection[int]) -> list[int]:
    """Up to twelve of the frames: those that exports at other rates have too come first."""

    def rank(index: int) -> tuple[int, int]:
        return next((place for place, step in enumerate(_STEPS) if index % step == 0), len(_STEPS)), index

    return sorted(sorted(indices, key=rank)[:_FRAMES])


def cells(pixels: Pixels, painted: npt.NDArray[np.bool_] | None) -> str:
    """One frame's cells as text; ``painted`` ``(height, width)`` says which pixels are not the video's."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    levels = np.asarray(cv2.resize(grey, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.uint8).ravel()
    hidden = np.zeros(len(levels), bool)
    if painted is not None:
        shares = cv2.resize(painted.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        hidden = np.asarray(shares).ravel() > 0
    return "".join(_PAINTED if h else f"{level:02x}" for level, h in zip(levels.tolist(), hidden.tolist(), strict=True))


def levels(text: str) -> npt.NDArray[np.float64]:
    """Levels of a frame's cells; NaN where painted."""
    pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
    return np.array([np.nan if pair == _PAINTED else int(pair, 16) for pair in pairs], float)


def same_video(one: Appearance, other: Appearance) -> bool:
    """Whether two exports show the same video: the frames they share agree where neither is painted.

    Frames without enough open cells or without contrast tell nothing; two that tell are needed.
    """
    shares = []
    for index in one.keys() & other.keys():
        a, b = levels(one[index]), levels(other[index])
        if len(a) != len(b):
            return False
        open_cells = ~(np.isnan(a) | np.isnan(b))
        a, b = a[open_cells], b[open_cells]
        if len(a) >= _LEAST_CELLS and min(a.std(), b.std()) >= _LEAST_SPREAD:
            alike = float(np.corrcoef(a, b)[0, 1]) >= _LEAST_CORRELATION
            shares.append(float((np.abs(a - b) <= SAME_LEVEL).mean()) if alike else 0.0)
    return len(shares) >= _LEAST_FRAMES and float(np.mean(shares)) >= LEAST_AGREEMENT
