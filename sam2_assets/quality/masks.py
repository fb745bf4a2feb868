"""Masks as pycocotools takes them: overlap without decoding, and pixels for the few that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as coco
from numpy.typing import NDArray

# Walking two masks' runs together takes longer than comparing their cells if there are as many: stripes, noise.
_MANY_RUNS = 20_000_000
_MOST_CELLS = 2**28
_CELLS_AT_ONCE = 2**16


def _as_coco(counts: str, grid: tuple[int, int]) -> dict[str, Any]:
    return {"size": [int(grid[0]), int(grid[1])], "counts": counts.encode("ascii")}


def pairwise_iou(counts: Sequence[str], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Intersection over union of every pair of sound masks on one ``(rows, columns)`` grid, ``(n, n)``."""
    masks = [_as_coco(text, grid) for text in counts]
    if sum(map(len, counts)) * len(counts) > _MANY_RUNS and len(counts) * grid[0] * grid[1] <= _MOST_CELLS:
        return _pairwise_iou_of_cells(np.stack([coco.decode(mask).ravel() for mask in masks]))
    return np.asarray(coco.iou(masks, masks, [0] * len(masks)), dtype=np.float64)


def _pairwise_iou_of_cells(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same of ``(n, cells)`` zeros and ones."""
    common = np.zeros((len(cells), len(cells)))
    for low in range(0, cells.shape[1], _CELLS_AT_ONCE):
        part = cells[:, low : low + _CELLS_AT_ONCE].astype(np.float32)  # sums below 2**24 are exact
        common += part @ part.T
    areas = np.diagonal(common)
    return np.asarray(common / np.maximum(areas[:, None] + areas[None, :] - common, 1), np.float64)


def mask_pixels(counts: str, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """The cells of one sound mask, ``(rows, columns)``, 0 or 1."""
    return np.ascontiguousarray(coco.decode(_as_coco(counts, grid)), dtype=np.uint8)
