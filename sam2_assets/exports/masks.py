"""Boxes, areas and COCO text of masks, computed from run lengths without decoding them.

A mask lives on its own grid ``(grid_h, grid_w)`` that spans the whole frame. In frame pixels it means what
nearest-neighbour enlargement (``cv2.resize(..., INTER_NEAREST)``, which the exporter itself paints with) makes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import ObjectRecord, Order
from sam2_assets.exports.runs import Intervals, Ints, Runs, intervals

Grid = tuple[int, int]
"""``(height, width)`` in cells."""
LOW_RESOLUTION: Final[Grid] = (256, 256)
"""The grid of SAM2's mask logits, which the demo's exporter writes."""


@dataclass(frozen=True)
class Measured:
    """What ``n`` masks are in frame pixels, and their COCO text.

    Args:
        boxes: ``(n, 4)`` x, y, w, h in frame pixels, origin top left; zeros where the mask shows no pixel.
        areas: ``(n,)`` in frame pixels.
        counts: COCO compressed column-major run lengths on the mask's own grid, as ``pycocotools`` writes them.
    """

    boxes: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]
    counts: list[str]


def grid_of(record: ObjectRecord, total: int, width: int, height: int, file: str) -> Grid:
    """The grid of a mask with ``total`` cells: as stated; else 256 x 256, the frame's own size, or another square.

    Raises:
        ExportError: ``rle_size_mismatch``.
    """
    if record.grid is not None:
        if record.grid[0] * record.grid[1] == total:
            return record.grid
        wanted = f"mask_size {list(record.grid)} has {record.grid[0] * record.grid[1]}"
    else:
        if total == LOW_RESOLUTION[0] * LOW_RESOLUTION[1] and total != width * height:
            return LOW_RESOLUTION
        if total == width * height:
            return height, width
        side = math.isqrt(total)
        if side > 0 and side * side == total:
            return side, side
        wanted = f"65536 (256 x 256), {width * height} (the frame) or another square is possible"
    raise ExportError(
        "rle_size_mismatch",
        f"the run lengths sum to {total} cells, but {wanted}",
        remedy="Export again; the mask is cut off, or belongs to a video of another size.",
        file=file,
        field=f"{record.path}.mask_rle",
        value=total,
    )


def pixel_edges(cells: int, pixels: int) -> Ints:
    """First frame pixel of each of ``cells`` grid cells along a side of ``pixels``, ``(cells + 1,)``.

    Pixel ``p`` shows cell ``floor(p * (1 / (pixels / cells)))`` in double precision, as OpenCV computes it: that is
    ``ceil(cell * pixels / cells)`` but for one pixel at about 4 % of all sizes (256 cells on 322 pixels, say).
    """
    shown = np.minimum(np.floor(np.arange(pixels) * (1 / (pixels / cells))), cells - 1)
    return np.searchsorted(shown, np.arange(cells + 1)).astype(np.int64)


def measure(runs: Runs, grid: Grid, order: Order, width: int, height: int) -> Measured:
    """Measure masks that share a grid and a scan order.

    Args:
        runs: run lengths in ``order``, each summing to the grid's cells.
        grid: ``(height, width)`` of the masks.
        order: how the run lengths walk the grid.
        width: of the frame, pixels.
        height: of the frame, pixels.
    """
    cells = grid[0] * grid[1]
    spans = intervals(runs, cells)
    along, across = (grid[1], grid[0]) if order is Order.ROW else (grid[0], grid[1])
    lines = _split_at_lines(spans, along)
    if order is Order.ROW:
        boxes, areas = _boxes_and_areas(lines, len(runs), pixel_edges(along, width), pixel_edges(across, height))
        toggles = _transposed_toggles(lines, along, across)
    else:
        boxes, areas = _boxes_and_areas(lines, len(runs), pixel_edges(along, height), pixel_edges(across, width))
        boxes = boxes[:, [1, 0, 3, 2]]
        toggles = np.stack([spans.start, spans.stop], 1).ravel() + np.repeat(spans.mask, 2) * (cells + 1)
    return Measured(boxes, areas, _coco_counts(toggles, len(runs), grid))


@dataclass(frozen=True)
class _Lines:
    """Set cells cut at the ends of scan lines: cells ``start..stop`` of ``line``, all ``(k,)``."""

    mask: Ints
    line: Ints
    start: Ints
    stop: Ints


def _split_at_lines(spans: Intervals, along: int) -> _Lines:
    first = spans.start // along
    pieces = (spans.stop - 1) // along - first + 1
    before = np.cumsum(pieces) - pieces
    line = np.repeat(first - before, pieces) + np.arange(int(pieces.sum()))
    start = np.maximum(np.repeat(spans.start, pieces) - line * along, 0)
    stop = np.minimum(np.repeat(spans.stop, pieces) - line * along, along)
    return _Lines(np.repeat(spans.mask, pieces), line, start, stop)


def _boxes_and_areas(
    lines: _Lines, masks: int, along: Ints, across: Ints
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Boxes (along, across) and areas, given the pixel edges of both axes."""
    low, high = along[lines.start], along[lines.stop]
    pixels = (high - low) * (across[lines.line + 1] - across[lines.line])
    areas = np.bincount(lines.mask, weights=pixels, minlength=masks).astype(np.float64)
    boxes = np.zeros((masks, 4))
    # a grid finer than the frame has cells that no pixel shows
    shown = np.flatnonzero(pixels > 0)
    if len(shown):
        owner = lines.mask[shown]
        group = np.flatnonzero(np.diff(owner, prepend=-1))
        which = owner[group]
        x0, x1 = np.minimum.reduceat(low[shown], group), np.maximum.reduceat(high[shown], group)
        y0 = np.minimum.reduceat(across[lines.line[shown]], group)
        y1 = np.maximum.reduceat(across[lines.line[shown] + 1], group)
        boxes[which] = np.stack([x0, y0, x1 - x0, y1 - y0], 1)
    return boxes, areas


def _odd_ones(values: Ints) -> Ints:
    """The values that occur an odd number of times, sorted: two toggles at one place undo each other."""
    values = np.sort(values)
    group = np.flatnonzero(np.diff(values, prepend=-1))
    counts = np.diff(group, append=len(values))
    odd: Ints = values[group[counts % 2 == 1]]
    return odd


def _transposed_toggles(lines: _Lines, width: int, height: int) -> Ints:
    """Places where row-major masks change when walked column by column, plus ``mask * (cells + 1)``, sorted.

    A column-major walk changes at ``(row, column)`` where the mask differs from the row above, so the exclusive or of
    each row with the row before, and of an empty row at both ends, gives all places; work grows with the contour
    and not with the area.
    """
    row = lines.mask * (height + 1) + lines.line
    ends = np.concatenate([lines.start, lines.stop])
    rows = np.concatenate([row, row])
    keys = np.concatenate([rows * (width + 1) + ends, (rows + 1) * (width + 1) + ends])
    pairs = _odd_ones(keys).reshape(-1, 2)
    rows, first = np.divmod(pairs[:, 0], width + 1)
    sizes = pairs[:, 1] - pairs[:, 0]
    column = np.repeat(first - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
    mask, row = np.divmod(np.repeat(rows, sizes), height + 1)
    return _odd_ones(mask * (height * width + 1) + column * height + row)


def _coco_counts(toggles: Ints, masks: int, grid: Grid) -> list[str]:
    cells = grid[0] * grid[1]
    bounds = np.searchsorted(toggles, np.arange(masks + 1) * (cells + 1))
    plain = []
    for i in range(masks):
        places = toggles[bounds[i] : bounds[i + 1]] - i * (cells + 1)
        stop = places if len(places) and places[-1] == cells else np.append(places, cells)
        plain.append({"counts": np.diff(stop, prepend=0), "size": list(grid)})
    return [each["counts"].decode("ascii") for each in coco.frPyObjects(plain, *grid)] if plain else []


def decode(lengths: Ints, grid: Grid, order: Order) -> npt.NDArray[np.uint8]:
    """One mask as ``(grid_h, grid_w)`` zeros and ones. For evidence on sampled frames; see ``measure`` for the rest."""
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8)
    if order is Order.ROW:
        return flat.reshape(grid)
    return np.ascontiguousarray(flat.reshape(grid[1], grid[0]).T)


def enlarge(mask: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """A mask on its grid as ``(height, width)`` frame pixels, as the exporter's painter enlarges it."""
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
