"""Frames with their masks, boxes and names drawn on them: single, cropped to an object, or as a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from sam2_assets.quality.lettering import colour, font, printable_labels
from sam2_assets.quality.masks import mask_pixels
from sam2_assets.quality.rows import rows
from sam2_assets.quality.runs import RunsError, measure_mask
from sam2_assets.tables import Tables

_TINT = 0.35
_GAP = 6
_CAPTION = 18
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)
_NO_PICTURE = (205, 205, 205)
_TARGET_TILE = 320


def preview_picture(tables: Tables, raw: Path, frame_indices: Sequence[int], width: int = 960) -> bytes:
    """A contact sheet of frames with masks, boxes and labels.

    Args:
        tables: of one video, with sound columns; objects whose masks cannot be read are drawn as boxes only.
        raw: folder of the ``raw_export``.
        frame_indices: which frames, in this order; frames without a picture are grey.
        width: of the sheet, pixels.

    Returns:
        PNG bytes, the same for the same input.

    Raises:
        ValueError: no frame index is given, or one is not in the tables.
    """
    if not frame_indices:
        raise ValueError("a contact sheet needs at least one frame")
    columns = max(1, min(len(frame_indices), round(width / _TARGET_TILE)))
    tile = (width - _GAP * (columns - 1)) // columns
    labels = printable_labels(tables.objects["label"])
    captions = dict(zip(tables.frames["frame_index"], tables.frames["time_s"], strict=True))
    tiles = [(i, draw_frame(tables, raw, i, tile, labels)) for i in frame_indices]
    tile_height = max(picture.height for _, picture in tiles) + _CAPTION
    lines = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (width, lines * tile_height + (lines - 1) * _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (frame_index, picture) in enumerate(tiles):
        x, y = place % columns * (tile + _GAP), place // columns * (tile_height + _GAP)
        sheet.paste(picture, (x, y))
        caption = f"frame {frame_index} · {captions[frame_index]:.2f} s"
        pen.text((x + 1, y + picture.height + 2), caption, fill=_INK, font=font(12))
    return png(sheet)


def draw_frame(
    tables: Tables, raw: Path, frame_index: int, width: int, labels: dict[str, str], *, only_crop: int | None = None
) -> Image.Image:
    """One frame, ``width`` pixels wide, with its objects.

    Args:
        tables: as for ``preview_picture``.
        raw: folder of the ``raw_export``.
        frame_index: of the frame.
        width: of the result, pixels.
        labels: what to write for each label (``printable_labels``).
        only_crop: id of an object of the frame: shows only it and what is around it; the whole frame if it is not there
            or its box is empty.

    Raises:
        ValueError: the tables have no such frame.
    """
    found = rows(tables.frames[tables.frames["frame_index"] == frame_index])
    if not found:
        raise ValueError(f"there is no frame {frame_index}")
    frame = found[0]
    objects = rows(tables.objects[tables.objects["frame_index"] == frame_index])
    left, top, right, bottom = _window(frame, [o for o in objects if o.object_id == only_crop])
    scale = width / (right - left)
    size = (width, max(1, round((bottom - top) * scale)))
    picture = _pixels(frame, raw).resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    canvas = np.asarray(picture, dtype=np.uint8).copy()
    for each in objects:
        _paint_mask(canvas, each, (frame.width, frame.height), (left, top, right, bottom))
    drawn = Image.fromarray(canvas)
    pen = ImageDraw.Draw(drawn)
    for each in objects:
        _draw_box(pen, each, labels[each.label], (left, top), scale, size)
    return drawn


def png(picture: Image.Image) -> bytes:
    """PNG bytes without metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _window(frame: Any, chosen: list[Any]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in frame pixels: around the chosen object in the frame's shape, or the whole frame."""
    if not chosen or chosen[0].box_w <= 0 or chosen[0].box_h <= 0:
        return 0.0, 0.0, float(frame.width), float(frame.height)
    box = chosen[0]
    share = max(1.8 * box.box_w / frame.width, 1.8 * box.box_h / frame.height, 0.15)
    share = min(share, 1.0)
    w, h = share * frame.width, share * frame.height
    left = min(max(box.box_x + box.box_w / 2 - w / 2, 0.0), frame.width - w)
    top = min(max(box.box_y + box.box_h / 2 - h / 2, 0.0), frame.height - h)
    return left, top, left + w, top + h


def _pixels(frame: Any, raw: Path) -> Image.Image:
    """The frame's picture in its stated size, or a grey one that says that there is none."""
    size = (int(frame.width), int(frame.height))
    if isinstance(frame.image, str) and (raw / frame.image).is_file():
        try:
            with Image.open(raw / frame.image) as opened:
                picture = opened.convert("RGB")
            return picture if picture.size == size else picture.resize(size)
        except (OSError, Image.DecompressionBombError):
            return _grey(size, "unreadable picture")
    return _grey(size, "no picture")


def _grey(size: tuple[int, int], words: str) -> Image.Image:
    picture = Image.new("RGB", size, _NO_PICTURE)
    letters = font(max(10, size[1] // 14))
    ImageDraw.Draw(picture).text((size[0] / 2, size[1] / 2), words, fill=_INK, font=letters, anchor="mm")
    return picture


def _paint_mask(
    canvas: np.ndarray[Any, np.dtype[np.uint8]],
    each: Any,
    frame: tuple[int, int],
    window: tuple[float, float, float, float],
) -> None:
    grid = (int(each.grid_h), int(each.grid_w))
    try:
        measure_mask(each.rle_counts, grid, frame)
    except RunsError:
        return  # rle_valid reports it; what cannot be read cannot be drawn
    cells = mask_pixels(each.rle_counts, grid)
    height, width = canvas.shape[:2]
    left, top, right, bottom = window
    # the centre of each pixel of the canvas, as a cell of the mask's grid
    columns = (left + (np.arange(width) + 0.5) * (right - left) / width) * grid[1] / frame[0]
    lines = (top + (np.arange(height) + 0.5) * (bottom - top) / height) * grid[0] / frame[1]
    shown = cells[np.ix_(np.clip(lines.astype(int), 0, grid[0] - 1), np.clip(columns.astype(int), 0, grid[1] - 1))]
    inside = shown.astype(bool)
    tint = np.array(colour(each.object_id), dtype=np.float64)
    canvas[inside] = np.round(canvas[inside] * (1 - _TINT) + tint * _TINT).astype(np.uint8)
    outline, _ = cv2.findContours(shown, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outline, -1, colour(each.object_id), 1)


def _draw_box(
    pen: ImageDraw.ImageDraw, each: Any, name: str, origin: tuple[float, float], scale: float, size: tuple[int, int]
) -> None:
    if each.box_w <= 0 or each.box_h <= 0:
        return
    x0, y0 = (each.box_x - origin[0]) * scale, (each.box_y - origin[1]) * scale
    x1, y1 = x0 + each.box_w * scale - 1, y0 + each.box_h * scale - 1
    if x1 < 0 or y1 < 0 or x0 > size[0] or y0 > size[1]:
        return
    pen.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=colour(each.object_id), width=2)
    letters = font(11)
    width = letters.getlength(name) + 6
    x = min(max(x0, 0.0), max(size[0] - width, 0.0))
    y = y0 - 15 if y0 >= 15 else max(y0, 0.0)
    pen.rectangle((x, y, x + width, y + 14), fill=colour(each.object_id))
    pen.text((x + 3, y + 1), name, fill=(255, 255, 255), font=letters)
