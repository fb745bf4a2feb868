"""Outlines of masks as polygons with few corners, in frame pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sam2_assets.coordinates import Point
from sam2_assets.instructions.rows import RowObject

_LEAST_PIECE = 0.05
"""Of the mask's area: smaller pieces are noise in a text."""
_FEWEST_CORNERS = 3


def outlines(found: RowObject, width: int, height: int, most_points: int) -> list[list[Point]]:
    """The pieces of an object's mask, largest first, each as the corners of its outline; holes are filled.

    Args:
        found: whose mask.
        width: of the frame, pixels.
        height: of the frame, pixels.
        most_points: corners of one piece; at least 3. Outlines are simplified until they have no more.

    Returns:
        Corners ``(x, y)`` in frame pixels, in order around the piece.
    """
    import cv2
    from pycocotools import mask as coco_mask

    grid_h, grid_w = found.grid
    rle = {"size": [grid_h, grid_w], "counts": found.rle_counts}
    x, y, w, h = (int(v) for v in coco_mask.toBbox(rle))
    cells = np.ascontiguousarray(coco_mask.decode(rle)[y : y + h, x : x + w])
    # Outlines run through the middles of pixels. On this grid, whose even places are the edges between cells, that is
    # exactly along the edges.
    inside = np.zeros((2 * h + 1, 2 * w + 1), np.uint8)
    inside[1::2, 1::2] = cells
    with_edges = cv2.dilate(inside, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(with_edges, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(contour) for contour in contours]
    least = _LEAST_PIECE * sum(areas)
    order = sorted((i for i, area in enumerate(areas) if area >= least), key=lambda i: (-areas[i], i))
    to_frame = np.array([width / grid_w, height / grid_h])
    pieces = []
    for index in order:
        corners = _simplified(np.asarray(contours[index], np.int32), max(most_points, _FEWEST_CORNERS))
        placed = (corners / 2 + (x, y)) * to_frame
        pieces.append([(float(a), float(b)) for a, b in placed])
    return pieces


def _simplified(contour: NDArray[np.int32], most: int) -> NDArray[np.float64]:
    import cv2

    tolerance = 0.4
    while True:
        corners = cv2.approxPolyDP(contour, tolerance, closed=True)[:, 0].astype(np.float64)
        if len(corners) <= most:
            break
        tolerance *= math.sqrt(2)
    return corners if len(corners) >= _FEWEST_CORNERS else cv2.boxPoints(cv2.minAreaRect(contour)).astype(np.float64)
