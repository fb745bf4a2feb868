"""The shapes of masks, many at a time and without decoding them: how ragged the boundary is, and into what it falls.

A mask is cut into its vertical runs of set cells (column by column). Two runs of neighbouring columns that share a row,
or a corner, are joined; what the joins connect is a piece (8-connected, as for OpenCV). The perimeter follows too: of
``n`` cells with ``c`` shared sides is ``4 n - 2 c`` (E. Bribiesca, "Measuring 2-D shape compactness using the contact
perimeter", 1997).

Raggedness compares the perimeter on the grid with that of the same mask sampled at every second cell, both in cells of
the grid: Richardson's measurement of a coast with two lengths of ruler (in B. Mandelbrot, "How long is the coast of
Britain?", 1967). A smooth outline, however thin or branched, has the same length on both, which gives 1; an outline
that changes by chance from cell to cell loses half of it, which gives 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_assets.quality.texts import Texts
from sam2_assets.threads import in_stretches

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_SHORTEST_OUTLINE: Final = 64
"""Cells; the raggedness of a shorter outline hangs on a handful of them."""
_LONGEST_TEXT: Final = 4_000_000
"""Characters of a mask's runs. Drawn masks have some thousand; the runs of a longer one would fill the memory."""
_NOISE: Final = 2.0
_BYTES_A_THREAD: Final = 500_000
"""Takes some milliseconds."""


@dataclass(frozen=True)
class Shapes:
    """What ``n`` masks look like; lengths and areas are in cells of the masks' own grid.

    Args:
        raggedness: perimeter on the grid over perimeter at every second cell, ``(n,)``; 1 is smooth, 2 is noise. 1 for
            an outline too short to tell; 2 for a mask of more than some million runs, which is not measured further
            and counts as one piece.
        pieces: connected pieces, ``(n,)``.
        crumbs: pieces smaller than asked for, ``(n,)``.
        second_share: share of the mask's cells in its second largest piece, ``(n,)``.
        apart: gap between the boxes of the two largest pieces as a share of the grid's diagonal, ``(n,)``; 0 if they
            touch or overlap, or if there is one piece.
    """

    raggedness: Floats
    pieces: Ints
    crumbs: Ints
    second_share: Floats
    apart: Floats


def measure_shapes(
    counts: Texts | Sequence[str], grid: tuple[int, int], crumb_cells: float, *, which: Ints | None = None
) -> Shapes:
    """Measure masks that share a grid.

    Args:
        counts: COCO compressed run lengths of masks.
        grid: ``(rows, columns)`` of all of them.
        crumb_cells: a piece with fewer cells is a crumb.
        which: the masks to measure, sound and not empty; all if None.
    """
    from sam2_assets.quality.shape_loops import measure_outlines  # compiled: not needed to load the definitions

    texts = counts if isinstance(counts, Texts) else Texts.of(counts)
    masks = np.arange(len(texts)) if which is None else which
    measured = np.flatnonzero(texts.sizes[masks] <= _LONGEST_TEXT)
    chosen = masks[measured]
    results = np.zeros((len(chosen), 8), np.int64)

    def work(low: int, high: int) -> None:
        part = chosen[low:high]
        measure_outlines(texts.data, texts.offsets, part, *grid, float(crumb_cells), results[low:high])

    in_stretches(work, np.concatenate(([0], np.cumsum(texts.sizes[chosen]))), _BYTES_A_THREAD)
    fine, coarse, pieces, crumbs, cells, second, across, down = results.T
    raggedness = np.ones(len(chosen))
    np.divide(fine, 2 * coarse, out=raggedness, where=2 * coarse >= _SHORTEST_OUTLINE)
    shapes = Shapes(
        raggedness=np.full(len(masks), _NOISE),
        pieces=np.ones(len(masks), np.int64),
        crumbs=np.zeros(len(masks), np.int64),
        second_share=np.zeros(len(masks)),
        apart=np.zeros(len(masks)),
    )
    shapes.raggedness[measured] = raggedness
    shapes.pieces[measured] = pieces
    shapes.crumbs[measured] = crumbs
    shapes.second_share[measured] = second / np.maximum(cells, 1)
    shapes.apart[measured] = np.hypot(across, down) / math.hypot(*grid)
    return shapes
