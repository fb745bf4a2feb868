"""Objects over time."""

from __future__ import annotations

import numpy as np

from sam2_assets_tests.quality.defects.clean_export import FRAMES, CleanExport, Mask
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def moved(mask: Mask, dx: int, dy: int) -> Mask:
    """The mask shifted by whole pixels; what leaves the frame is cut off."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    ys, xs = np.nonzero(mask)
    ys, xs = ys + dy, xs + dx
    inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
    out[ys[inside], xs[inside]] = 1
    return out


def _away(*positions: int) -> Change:
    def change(export: CleanExport) -> None:
        for position in positions:
            export.drop(position, 1)

    return change


def _crosses(export: CleanExport) -> None:
    """Another object, above the others, that crosses two thirds of the frame in ten annotated frames."""
    for position in range(10):
        export.put(position, 7, moved(export.mask(0, 0), 40 * position - 60, -140), "ball")


def _leaps(export: CleanExport) -> None:
    """From the middle of the video on the fish is on the other side."""
    for position in range(FRAMES // 2, FRAMES):
        export.put(position, 0, moved(export.mask(position, 0), 330, -130))


DEFECTS = (
    Defect(
        "object_vanishes",
        Case("an object is away for one annotated frame", _away(9)),
        Case("an object goes away before the end", _away(*range(14, FRAMES))),
    ),
    Defect(
        "object_jumps",
        Case("an object leaps to the other side of the frame", _leaps),
        Case("an object crosses the frame evenly in ten annotated frames", _crosses),
    ),
)
