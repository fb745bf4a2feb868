"""Boxes, areas and COCO text of masks, computed from run lengths without decoding them.

A mask lives on its own grid ``(grid_h, grid_w)`` that spans the whole frame. In frame pixels it means what
nearest-neighbour enlargement (``cv2.resize(..., INTER_NEAREST)``, which the exporter itself paints with) makes of it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import ObjectRecord, Order
from sam2_assets.exports.runs import Ints, Runs

Grid = tuple[int, int]
"""``(height, width)`` in cells."""
LOW_RESOLUTION: Final[Grid] = (256, 256)
"""The grid of SAM2's mask logits, which the demo's exporter writes."""
_MOST_CELLS: Final = 4096 * 4096


@dataclass(frozen=True)
class Measured:
    """What ``n`` masks are in frame pixels, and their COCO text.

    Args:
        boxes: ``(n, 4)`` x, y, w, h in frame pixels, origin top left; zeros where the mask shows no pixel.
        areas: ``(n,)`` in frame pixels.
        texts: COCO compressed column-major run lengths on the mask's own grid, as ``pycocotools`` writes them, end to
            end, in ASCII.
        offsets: ``(n + 1,)`` where they begin and end.
    """

    boxes: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]
    texts: npt.NDArray[np.uint8]
    offsets: Ints

    @property
    def counts(self) -> list[str]:
        """The texts one by one."""
        text = self.texts.tobytes().decode("ascii")
        return [text[a:b] for a, b in itertools.pairwise(self.offsets.tolist())]


def grid_of(record: ObjectRecord, total: int, width: int, height: int, file: str) -> Grid:
    """The grid of a mask with ``total`` cells: as stated; else 256 x 256, the frame's own size, or another square.

    Raises:
        ExportError: ``rle_size_mismatch``, ``document_too_large``: finer than any frame that is read.
    """
    if total > max(_MOST_CELLS, width * height):
        raise ExportError(
            "document_too_large",
            f"a mask may have {_MOST_CELLS} cells, or as many as the frame has pixels",
            remedy="Export masks at the video's size, or smaller.",
            file=file,
            field=record.runs_path,
            value=total,
        )
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
        field=record.runs_path,
        value=total,
    )


def pixel_edges(cells: int, pixels: int) -> Ints:
    """First frame pixel of each of ``cells`` grid cells along a side of ``pixels``, ``(cells + 1,)``.

    Pixel ``p`` shows cell ``floor(p * (1 / (pixels / cells)))`` in double precision, as OpenCV computes it: that is
    ``ceil(cell * pixels / cells)`` but for one pixel at about 4 % of all sizes (256 cells on 322 pixels, say).
    """
    shown = np.minimum(np.floor(np.arange(pixels) * (1 / (pixels / cells))), cells - 1)
    return np.searchsorted(shown, np.arange(cells + 1)).astype(np.int64)


def measure(
    runs: Runs,
    grid: Grid,
    order: Order,
    width: int,
    height: int,
    which: Ints | None = None,
    most_text: int = 2**62,
) -> Measured:
    """Measure masks that share a grid and a scan order; the first of them, if their texts are long.

    Args:
        runs: run lengths in ``order``, each summing to the grid's cells.
        grid: ``(height, width)`` of the masks.
        order: how the run lengths walk the grid.
        width: of the frame, pixels.
        height: of the frame, pixels.
        which: the masks that do; all if None.
        most_text: bytes of text after which no further mask is measured.
    """
    from sam2_assets.exports.run_loops import measure_masks  # compiled: not needed to load the definitions

    down, right = pixel_edges(grid[0], height), pixel_edges(grid[1], width)
    row_major = order is Order.ROW
    along, across = (right, down) if row_major else (down, right)
    chosen = np.arange(len(runs)) if which is None else which
    boxes, areas, texts, offsets = measure_masks(runs.lengths, runs.first, chosen, row_major, along, across, most_text)
    return Measured(boxes if row_major else boxes[:, [1, 0, 3, 2]], areas, texts, offsets)


def decode(lengths: Ints, grid: Grid, order: Order) -> npt.NDArray[np.uint8]:
    """One mask as ``(grid_h, grid_w)`` zeros and ones. For evidence on sampled frames; see ``measure`` for the rest."""
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.uint8)
    if order is Order.ROW:
        return flat.reshape(grid)
    return np.ascontiguousarray(flat.reshape(grid[1], grid[0]).T)


def enlarge(mask: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """A mask on its grid as ``(height, width)`` frame pixels, as the exporter's painter enlarges it."""
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
