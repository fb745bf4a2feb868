"""One object on a picture: its mask, its box and its name, where it does not cover another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from sam2_assets.quality.lettering import colour, font
from sam2_assets.quality.masks import mask_pixels
from sam2_assets.quality.runs import RunsError, measure_mask

Box = tuple[float, float, float, float]
"""``x, y, w, h`` in frame pixels."""
Window = tuple[float, float, float, float]
"""Left, top, right, bottom in frame pixels: the part of a frame that is shown."""
Corners = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture that is drawn on."""
_TINT = 0.35
_LETTERS = 11
"""Pixels; more on pictures that are shown smaller than they are."""
_LETTERS_PER_WIDTH = 32


def paint_mask(canvas: NDArray[np.uint8], each: Any, frame: tuple[int, int], window: Window, *, tinted: bool) -> None:
    """Tint and outline one object's mask.

    Args:
        canvas: RGB picture of the window, changed in place.
        each: row of the objects table; a mask that cannot be read is left out, ``rle_valid`` reports it.
        frame: width and height, pixels.
        window: the part of the frame that the canvas shows.
        tinted: fill it too, not only outline it.
    """
    grid = (int(each.grid_h), int(each.grid_w))
    try:
        measure_mask(each.rle_counts, grid, frame)
    except RunsError:
        return
    cells = mask_pixels(each.rle_counts, grid)
    height, width = canvas.shape[:2]
    left, top, right, bottom = window
    # the centre of each pixel of the canvas, as a cell of the mask's grid
    columns = (left + (np.arange(width) + 0.5) * (right - left) / width) * grid[1] / frame[0]
    lines = (top + (np.arange(height) + 0.5) * (bottom - top) / height) * grid[0] / frame[1]
    shown = cells[np.ix_(np.clip(lines.astype(int), 0, grid[0] - 1), np.clip(columns.astype(int), 0, grid[1] - 1))]
    if tinted:
        inside = shown.astype(bool)
        tint = np.array(colour(each.object_id), dtype=np.float64)
        canvas[inside] = np.round(canvas[inside] * (1 - _TINT) + tint * _TINT).astype(np.uint8)
    outline, _ = cv2.findContours(shown, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outline, -1, colour(each.object_id), 1)


def _on_canvas(box: Box, origin: tuple[float, float], scale: float) -> Corners:
    """A box's corners on the picture; the last pixel is inside."""
    x0, y0 = (box[0] - origin[0]) * scale, (box[1] - origin[1]) * scale
    return x0, y0, max(x0 + box[2] * scale - 1, x0), max(y0 + box[3] * scale - 1, y0)


def draw_dashes(pen: ImageDraw.ImageDraw, box: Box, origin: tuple[float, float], scale: float, dash: int = 6) -> None:
    """A box in black and white dashes: not an annotation of this frame."""
    x0, y0, x1, y1 = _on_canvas(box, origin, scale)
    for (ax, ay), (bx, by) in (
        ((x0, y0), (x1, y0)),
        ((x0, y1), (x1, y1)),
        ((x0, y0), (x0, y1)),
        ((x1, y0), (x1, y1)),
    ):
        pieces = max(1, int(max(bx - ax, by - ay) / dash))
        for i in range(pieces):
            start, end = i / pieces, (i + 1) / pieces
            ends = (ax + start * (bx - ax), ay + start * (by - ay), ax + end * (bx - ax), ay + end * (by - ay))
            pen.line(ends, fill=(0, 0, 0) if i % 2 else (255, 255, 255), width=2)


def draw_box(
    pen: ImageDraw.ImageDraw, each: Any, origin: tuple[float, float], scale: float, size: tuple[int, int], line: int
) -> Corners | None:
    """One object's box.

    Args:
        pen: of the picture.
        each: row of the objects table.
        origin: frame pixel at the picture's top left.
        scale: pixels of the picture a frame pixel.
        size: of the picture.
        line: width of the box's line.

    Returns:
        Where it lies; None if it has no extent or lies beside the picture.
    """
    if each.box_w <= 0 or each.box_h <= 0:
        return None
    corners = _on_canvas((each.box_x, each.box_y, each.box_w, each.box_h), origin, scale)
    if corners[2] < 0 or corners[3] < 0 or corners[0] > size[0] or corners[1] > size[1]:
        return None
    pen.rectangle(corners, outline=colour(each.object_id), width=line)
    return corners


def draw_name(
    pen: ImageDraw.ImageDraw,
    name: str,
    fill: tuple[int, int, int],
    box: Corners,
    size: tuple[int, int],
    taken: list[Corners],
) -> None:
    """An object's name near its box, unless it would cover another name.

    Args:
        pen: of the picture.
        name: to write.
        fill: colour behind it.
        box: that it belongs to.
        size: of the picture.
        taken: where names stand already; this one is added.
    """
    letters = font(max(_LETTERS, round(size[0] / _LETTERS_PER_WIDTH)))
    tag = _free_place(box, (letters.getlength(name) + 6, letters.size + 3), size, taken)
    if tag is None:
        return
    taken.append(tag)
    pen.rectangle(tag, fill=fill)
    pen.text((tag[0] + 3, tag[1] + 1), name, fill=(255, 255, 255), font=letters)


def _free_place(
    box: Corners, extent: tuple[float, float], size: tuple[int, int], taken: Sequence[Corners]
) -> Corners | None:
    """Where a name stands: on the box if it can, else elsewhere near it; None if each place covers another name."""
    x0, y0, x1, y1 = box
    width, height = extent
    above, below = y0 - height - 1, y1 + 1
    wanted = [(x0, above), (x1 - width, above), (x0, below), (x1 - width, below), (x0, y0), (x1 - width, y0)]
    if above < 0:
        wanted = wanted[4:] + wanted[2:4]
    for x, y in wanted:
        left, top = min(max(x, 0.0), max(size[0] - width, 0.0)), min(max(y, 0.0), max(size[1] - height, 0.0))
        place = (left, top, left + width, top + height)
        if not any(_overlap(place, other) for other in taken):
            return place
    return None


def _overlap(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
