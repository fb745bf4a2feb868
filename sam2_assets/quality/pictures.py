"""Frames with their masks, boxes and names drawn on them: single, cropped, or as a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sam2_assets.quality.drawing import Box, Corners, Window, draw_box, draw_dashes, draw_name, paint_mask
from sam2_assets.quality.lettering import colour, font, printable_labels
from sam2_assets.quality.rows import rows
from sam2_assets.tables import Tables

_GAP = 6
_CAPTION = 18
_PAPER = (255, 255, 255)
_INK = (60, 60, 60)
_NO_PICTURE = (205, 205, 205)
_TARGET_TILE = 320
_MOST_HEIGHT = 2
"""Times the width; a frame of a stranger's making may be one pixel wide."""


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
    return png(contact_sheet(tables, raw, frame_indices, width))


def contact_sheet(tables: Tables, raw: Path, frame_indices: Sequence[int], width: int = 960) -> Image.Image:
    """As ``preview_picture``, not yet encoded."""
    if not frame_indices:
        raise ValueError("a contact sheet needs at least one frame")
    columns = max(1, min(len(frame_indices), round(width / _TARGET_TILE)))
    tile = (width - _GAP * (columns - 1)) // columns
    labels = printable_labels(tables.objects["label"])
    times = dict(zip(tables.frames["frame_index"], tables.frames["time_s"], strict=True))
    tiles = [draw_frame(tables, raw, i, tile, labels) for i in frame_indices]
    return side_by_side(tiles, [f"frame {i} · {times[i]:.2f} s" for i in frame_indices], width, columns)


def side_by_side(tiles: Sequence[Image.Image], captions: Sequence[str], width: int, columns: int) -> Image.Image:
    """Pictures in lines of ``columns``, each with its caption below it."""
    tile = max(picture.width for picture in tiles)
    tile_height = max(picture.height for picture in tiles) + _CAPTION
    lines = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (width, lines * tile_height + (lines - 1) * _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = place % columns * (tile + _GAP), place // columns * (tile_height + _GAP)
        sheet.paste(picture, (x, y))
        pen.text((x + 1, y + picture.height + 2), caption, fill=_INK, font=font(12))
    return sheet


def draw_frame(
    tables: Tables,
    raw: Path,
    frame_index: int,
    width: int,
    labels: dict[str, str],
    *,
    window: Window | None = None,
    focus: int | None = None,
    dashed: Sequence[Box] = (),
) -> Image.Image:
    """One frame, ``width`` pixels wide, with its objects.

    Args:
        tables: as for ``preview_picture``.
        raw: folder of the ``raw_export``.
        frame_index: of the frame.
        width: of the result, pixels; it is narrower if it would be more than twice as high as wide.
        labels: what to write for each label (``printable_labels``).
        window: the part to show; the whole frame if None.
        focus: id of the object that matters: the others are only outlined.
        dashed: boxes that are not annotations of this frame, drawn in black and white dashes.

    Raises:
        ValueError: the tables have no such frame.
    """
    found = rows(tables.frames[tables.frames["frame_index"] == frame_index])
    if not found:
        raise ValueError(f"there is no frame {frame_index}")
    frame = found[0]
    objects = rows(tables.objects[tables.objects["frame_index"] == frame_index])
    objects.sort(key=lambda each: each.object_id == focus)  # the one that matters is drawn over the others
    left, top, right, bottom = window = window or (0.0, 0.0, float(frame.width), float(frame.height))
    scale = min(width / (right - left), _MOST_HEIGHT * width / (bottom - top))
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    picture = _pixels(frame, raw, window, size)
    canvas = np.asarray(picture, dtype=np.uint8).copy()
    for each in objects:
        paint_mask(canvas, each, (frame.width, frame.height), window, tinted=focus in (None, each.object_id))
    drawn = Image.fromarray(canvas)
    pen = ImageDraw.Draw(drawn)
    for box in dashed:
        draw_dashes(pen, box, (left, top), scale)
    boxes = []
    for each in objects:
        line = 1 if focus not in (None, each.object_id) else 2 if focus is None else 3
        corners = draw_box(pen, each, (left, top), scale, size, line)
        if corners is not None:
            boxes.append((each, corners))
    names: list[Corners] = []
    for each, corners in reversed(boxes):  # the one that matters chooses its place first
        draw_name(pen, labels[each.label], colour(each.object_id), corners, size, names)
    return drawn


def window_around(boxes: Sequence[Box], frame: tuple[float, float], margin: float = 1.8) -> Window:
    """The smallest part of a frame, in the frame's shape, that shows all boxes with a margin.

    Args:
        boxes: at least one, with an extent.
        frame: width and height, pixels.
        margin: times the boxes' common extent; never less than 0.15 of the frame, never more than the frame.
    """
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    share = min(max(margin * (x1 - x0) / frame[0], margin * (y1 - y0) / frame[1], 0.15), 1.0)
    w, h = share * frame[0], share * frame[1]
    left = min(max((x0 + x1 - w) / 2, 0.0), frame[0] - w)
    top = min(max((y0 + y1 - h) / 2, 0.0), frame[1] - h)
    return left, top, left + w, top + h


def png(picture: Image.Image) -> bytes:
    """PNG bytes without metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """JPEG bytes without metadata: a fifth of the PNG's size for photographs."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def _pixels(frame: Any, raw: Path, window: Window, size: tuple[int, int]) -> Image.Image:
    """The window of the frame's picture, or a grey one that says that there is none."""
    if isinstance(frame.image, str) and (raw / frame.image).is_file():
        try:
            with Image.open(raw / frame.image) as opened:
                picture = opened.convert("RGB")
        except (OSError, Image.DecompressionBombError):
            return _grey(size, "unreadable picture")
        across, down = picture.width / frame.width, picture.height / frame.height
        left, top, right, bottom = window
        # rounding must not reach beyond the picture
        box = (left * across, top * down, min(right * across, picture.width), min(bottom * down, picture.height))
        return picture.resize(size, Image.Resampling.LANCZOS, box=box)
    return _grey(size, "no picture")


def _grey(size: tuple[int, int], words: str) -> Image.Image:
    picture = Image.new("RGB", size, _NO_PICTURE)
    letters = font(max(10, size[1] // 14))
    ImageDraw.Draw(picture).text((size[0] / 2, size[1] / 2), words, fill=_INK, font=letters, anchor="mm")
    return picture
