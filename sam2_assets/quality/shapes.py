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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sam2_assets.quality.runs import decode_runs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_RUNS_AT_ONCE = 2_000_000
"""Bounds memory: a few arrays of this many numbers are alive at a time."""
_SHORTEST_OUTLINE = 64
"""Cells; the raggedness of a shorter outline hangs on a handful of them."""
_LONGEST_TEXT = 4_000_000
"""Characters of a mask's runs. Drawn masks have some thousand; joining the runs of a longer one takes a gigabyte."""
_NOISE = 2.0


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


@dataclass(frozen=True)
class _Runs:
    """Vertical runs of masks, sorted by mask, column and row: cells ``top..bottom`` of ``column``, all ``(k,)``."""

    mask: Ints
    column: Ints
    top: Ints
    bottom: Ints
    grid: tuple[int, int]
    masks: int

    @property
    def length(self) -> Ints:
        return self.bottom - self.top


def measure_shapes(counts: Sequence[str], grid: tuple[int, int], crumb_cells: float) -> Shapes:
    """Measure masks that share a grid.

    Args:
        counts: COCO compressed run lengths of sound masks that are not empty.
        grid: ``(rows, columns)`` of all of them.
        crumb_cells: a piece with fewer cells is a crumb.
    """
    measured = np.array([len(text) <= _LONGEST_TEXT for text in counts], bool)
    kept = [text for text, keep in zip(counts, measured, strict=True) if keep]
    parts = [_measure(runs, crumb_cells) for runs in _batches(kept, grid)]
    shapes = Shapes(
        raggedness=np.full(len(counts), _NOISE),
        pieces=np.ones(len(counts), np.int64),
        crumbs=np.zeros(len(counts), np.int64),
        second_share=np.zeros(len(counts)),
        apart=np.zeros(len(counts)),
    )
    for field in fields(Shapes):
        whole: Floats = getattr(shapes, field.name)
        whole[measured] = np.concatenate([getattr(part, field.name) for part in parts])
    return shapes


def _batches(counts: Sequence[str], grid: tuple[int, int]) -> Iterator[_Runs]:
    starts: list[Ints] = []
    stops: list[Ints] = []
    size = 0
    for text in counts:
        edges = np.cumsum(decode_runs(text))
        stop = edges[1::2]
        start = edges[0::2][: stop.size]
        starts.append(start[stop > start])
        stops.append(stop[stop > start])
        size += len(starts[-1])
        if size >= _RUNS_AT_ONCE:
            yield _vertical(starts, stops, grid)
            starts, stops, size = [], [], 0
    if starts or not counts:
        yield _vertical(starts, stops, grid)


def _vertical(starts: list[Ints], stops: list[Ints], grid: tuple[int, int]) -> _Runs:
    """The runs cut at the ends of columns: a run in the text may go on in the next column."""
    rows = grid[0]
    nothing = np.zeros(0, np.int64)
    start, stop = (np.concatenate([nothing, *each]) for each in (starts, stops))
    mask = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
    first = start // rows
    pieces = (stop - 1) // rows - first + 1
    before = np.cumsum(pieces) - pieces
    column = np.repeat(first - before, pieces) + np.arange(int(pieces.sum()))
    top = np.maximum(np.repeat(start, pieces) - column * rows, 0)
    bottom = np.minimum(np.repeat(stop, pieces) - column * rows, rows)
    return _Runs(np.repeat(mask, pieces), column, top, bottom, grid, len(starts))


def _joins(runs: _Runs, *, diagonal: bool) -> tuple[Ints, Ints]:
    """Pairs of runs in neighbouring columns of a mask that share a row, or only a corner: ``(left, right)`` indices."""
    rows, columns = runs.grid
    # two columns of nothing after each mask, and a row of nothing after each column, keep runs apart
    place = (runs.mask * (columns + 2) + runs.column) * (rows + 1)
    top, bottom = place + runs.top, place + runs.bottom
    first = np.searchsorted(bottom, top + rows + 1, side="left" if diagonal else "right")
    past = np.searchsorted(top, bottom + rows + 1, side="right" if diagonal else "left")
    found = np.maximum(past - first, 0)
    left = np.repeat(np.arange(len(top)), found)
    return left, np.repeat(first - (np.cumsum(found) - found), found) + np.arange(int(found.sum()))


def _perimeters(runs: _Runs) -> Floats:
    left, right = _joins(runs, diagonal=False)
    shared = np.minimum(runs.bottom[left], runs.bottom[right]) - np.maximum(runs.top[left], runs.top[right])
    beside = np.bincount(runs.mask[left], shared, runs.masks)
    cells = np.bincount(runs.mask, runs.length, runs.masks)
    column = runs.mask * (runs.grid[1] + 1) + runs.column
    # sampling leaves runs that touch, which are one run without ends between
    fresh = np.ones(len(column), bool)
    fresh[1:] = (column[1:] != column[:-1]) | (runs.top[1:] != runs.bottom[:-1])
    ends = np.bincount(runs.mask, fresh, runs.masks)
    return np.asarray(2.0 * ends + 2.0 * (cells - beside), np.float64)


def _every_second(runs: _Runs) -> _Runs:
    """The masks sampled at the cells whose row and column are even."""
    top, bottom = -(-runs.top // 2), -(-runs.bottom // 2)
    kept = (runs.column % 2 == 0) & (bottom > top)
    grid = (-(-runs.grid[0] // 2), -(-runs.grid[1] // 2))
    return _Runs(runs.mask[kept], runs.column[kept] // 2, top[kept], bottom[kept], grid, runs.masks)


def _measure(runs: _Runs, crumb_cells: float) -> Shapes:
    fine_length, coarse_length = _perimeters(runs), _perimeters(_every_second(runs))
    raggedness = np.ones(runs.masks)
    np.divide(fine_length, 2 * coarse_length, out=raggedness, where=2 * coarse_length >= _SHORTEST_OUTLINE)
    return _pieces(runs, crumb_cells, raggedness)


def _pieces(runs: _Runs, crumb_cells: float, raggedness: Floats) -> Shapes:
    left, right = _joins(runs, diagonal=True)
    edges = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(runs.mask),) * 2)
    count, piece = connected_components(edges, directed=False)
    cells = np.bincount(piece, runs.length, count)
    owner = np.zeros(count, np.int64)
    owner[piece] = runs.mask
    pieces = np.bincount(owner, minlength=runs.masks)
    crumbs = np.bincount(owner, cells < crumb_cells, runs.masks).astype(np.int64)
    order = np.lexsort((-cells, owner))
    first = np.cumsum(pieces) - pieces
    several = np.flatnonzero(pieces > 1)
    largest, second = order[first[several]], order[first[several] + 1]
    second_share, apart = np.zeros(runs.masks), np.zeros(runs.masks)
    second_share[several] = cells[second] / np.bincount(runs.mask, runs.length, runs.masks)[several]
    x0, y0 = (np.full(count, np.iinfo(np.int64).max) for _ in range(2))
    x1, y1 = (np.zeros(count, np.int64) for _ in range(2))
    for low, value in ((x0, runs.column), (y0, runs.top)):
        np.minimum.at(low, piece, value)
    for high, value in ((x1, runs.column + 1), (y1, runs.bottom)):
        np.maximum.at(high, piece, value)
    across = np.maximum(x0[largest] - x1[second], x0[second] - x1[largest]).clip(min=0)
    down = np.maximum(y0[largest] - y1[second], y0[second] - y1[largest]).clip(min=0)
    apart[several] = np.hypot(across, down) / math.hypot(*runs.grid)
    return Shapes(raggedness, pieces, crumbs, second_share, apart)
