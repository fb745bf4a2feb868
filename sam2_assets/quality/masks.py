"""Masks as pycocotools takes them: overlap without decoding, and pixels for the few that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pycocotools.mask as coco
from numpy.typing import NDArray


def _as_coco(counts: str, grid: tuple[int, int]) -> dict[str, Any]:
    return {"size": [int(grid[0]), int(grid[1])], "counts": counts.encode("ascii")}


def pairwise_iou(counts: Sequence[str], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Intersection over union of every pair of sound masks on one ``(rows, columns)`` grid, ``(n, n)``."""
    masks = [_as_coco(text, grid) for text in counts]
    return np.asarray(coco.iou(masks, masks, [0] * len(masks)), dtype=np.float64)


def mask_pixels(counts: str, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """The cells of one sound mask, ``(rows, columns)``, 0 or 1."""
    return np.ascontiguousarray(coco.decode(_as_coco(counts, grid)), dtype=np.uint8)
