"""Masks from their COCO text: overlaps without decoding, and pixels for the few that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pycocotools.mask as coco
from numpy.typing import NDArray

from sam2_assets.quality.texts import Texts

# Walking two masks' runs together takes longer than comparing their cells if there are as many: stripes, noise.
_MANY_RUNS = 20_000_000
_MOST_CELLS = 2**28
# Taken apart, a character of text becomes eight bytes.
_MOST_BYTES = 2**24
_CELLS_AT_ONCE = 2**16


def _as_coco(counts: str, grid: tuple[int, int]) -> dict[str, Any]:
    return {"size": [int(grid[0]), int(grid[1])], "counts": counts.encode("ascii")}


def pair_ious(texts: Texts, pairs: NDArray[np.int64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Intersection over union of pairs of sound masks on one ``(rows, columns)`` grid, ``(n,)``.

    Args:
        texts: the masks' runs.
        pairs: ``(n, 2)`` numbers of masks.
    """
    from sam2_assets.quality.shape_loops import common_cells, set_intervals  # compiled

    which, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    if texts.sizes[pairs].sum() > _MANY_RUNS and len(which) * grid[0] * grid[1] <= _MOST_CELLS:
        cells = np.stack([coco.decode(_as_coco(texts[i], grid)).ravel() for i in which.tolist()])
        return _ious_of_cells(cells)[places[:, 0], places[:, 1]]
    if texts.sizes[which].sum() > _MOST_BYTES and len(pairs) > 1:
        halves = np.array_split(pairs, 2)
        return np.concatenate([pair_ious(texts, half, grid) for half in halves])
    ends, first = set_intervals(texts.data, texts.offsets, which)
    common = common_cells(ends, first, places)
    before = np.concatenate(([0], np.cumsum(ends[1::2] - ends[::2])))[first // 2]
    areas = np.diff(before)[places]
    return np.asarray(common / np.maximum(areas.sum(axis=1) - common, 1), np.float64)


def _ious_of_cells(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same of every two of ``(n, cells)`` zeros and ones, ``(n, n)``."""
    common = np.zeros((len(cells), len(cells)))
    for low in range(0, cells.shape[1], _CELLS_AT_ONCE):
        part = cells[:, low : low + _CELLS_AT_ONCE].astype(np.float32)  # sums below 2**24 are exact
        common += part @ part.T
    areas = np.diagonal(common)
    return np.asarray(common / np.maximum(areas[:, None] + areas[None, :] - common, 1), np.float64)


def mask_pixels(counts: str, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """The cells of one sound mask, ``(rows, columns)``, 0 or 1."""
    return np.ascontiguousarray(coco.decode(_as_coco(counts, grid)), dtype=np.uint8)
