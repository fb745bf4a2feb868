"""The version 1 ``annotations.json``, read into typed records; nothing is repaired or computed here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.fields import Field
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.settings import ImportSettings

_MOST_PIXELS_A_SIDE: Final = 16_384
_MOST_FRAMES: Final = 10_000_000
_MOST_OBJECT_ID: Final = 2**31 - 1
_LONGEST_LABEL: Final = 1_000
# the frame of most pixels that is read, with a run for every second one of them
_LONGEST_RUNS: Final = 2**25
_LARGEST: Final = 1e9
DEFAULTS: Final = ImportSettings()
# What COCO's compressed run lengths are written with, and plain ones are not
_COMPRESSED: Final = re.compile(r"^[0-o]*[:-o][0-o]*$")
_LATER: Final = "Only the version 1 layout of the SAM2 demo's exporter is read; export with it."


class Order(StrEnum):
    """How the cells of a mask are lined up in its run lengths."""

    ROW = "row"
    COLUMN = "column"


_ORDERS: Final = {"row": Order.ROW, "c": Order.ROW, "column": Order.COLUMN, "f": Order.COLUMN}


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object in one frame, as stated. ``path`` is its place in the document."""

    path: str
    object_id: int
    label: str
    runs: str
    grid: tuple[int, int] | None
    """``(height, width)`` of the mask, if stated."""
    order: Order | None
    box: tuple[float, float, float, float] | None
    area: float | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One annotated frame, as stated; ``objects`` in the document's order, which decides overlay colours."""

    path: str
    frame_index: int
    timestamp: float | None
    objects: tuple[ObjectRecord, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What ``annotations.json`` states, frames sorted by index."""

    file: str
    filename: str
    width: int
    height: int
    total_frames: int
    source_fps: float | None
    duration: float | None
    exporter_version: str | None
    frame_indices: tuple[int, ...] | None
    """The frames the exporter set out to write, if stated."""
    frames: tuple[FrameRecord, ...]


def parse_document(data: bytes, file: str, settings: ImportSettings = DEFAULTS) -> Document:
    """Read the bytes of a version 1 ``annotations.json``.

    Args:
        data: the bytes.
        file: how errors call the file.
        settings: bounds.

    Raises:
        ExportError: ``bad_json``, ``duplicate_key``, ``document_too_large``, ``unsupported_layout``,
            ``missing_field``, ``wrong_type``, ``out_of_range``, ``duplicate_frame``, ``duplicate_object``,
            ``bad_mask_order``; each with the path of the field.
    """
    root = Field(file, "", parse_json(data, file, settings))
    if isinstance(root.value, list):
        raise _unsupported(file, None, "the document is a list of frames (action segments, version 2)")
    if "annotations" not in root.mapping() and "objects" in root.mapping():
        raise _unsupported(file, "objects", "objects hold the frames (object-major, export_type global_objects)")
    video = root.need("video")
    config = root.get("export_config")
    total = video.need("total_frames").integer(1, _MOST_FRAMES)
    frames = [_frame(field, total) for field in root.need("annotations").elements()]
    _refuse_repeated_frames(file, frames)
    if not frames:
        raise root.need("annotations").error("out_of_range", "no frame is annotated")
    name = video.get("filename")
    fps, duration = video.get("source_fps"), video.get("duration_sec")
    version = config.get("exporter_version") if config else None
    indices = config.get("frame_indices") if config else None
    return Document(
        file=file,
        filename=name.text(_LONGEST_LABEL) if name else "",
        width=video.need("width").integer(1, _MOST_PIXELS_A_SIDE),
        height=video.need("height").integer(1, _MOST_PIXELS_A_SIDE),
        total_frames=total,
        source_fps=fps.number(0, 1000) if fps else None,
        duration=duration.number(0, _LARGEST) if duration else None,
        exporter_version=version.text(_LONGEST_LABEL) if version else None,
        frame_indices=tuple(i.integer(0, _MOST_FRAMES) for i in indices.elements()) if indices else None,
        frames=tuple(sorted(frames, key=lambda frame: frame.frame_index)),
    )


def _frame(field: Field, total: int) -> FrameRecord:
    index = field.need("frame_index")
    if index.integer(0, _MOST_FRAMES) >= total:
        raise index.error("out_of_range", f"the video has only {total} frames (video.total_frames)")
    timestamp = field.get("timestamp_sec")
    objects = tuple(_object(each) for each in field.need("objects").elements())
    seen: set[int] = set()
    for record in objects:
        if record.object_id in seen:
            raise ExportError(
                "duplicate_object",
                "another object of the same frame has this id",
                remedy="Give every object of a frame its own id.",
                file=field.file,
                field=f"{record.path}.object_id",
                value=record.object_id,
            )
        seen.add(record.object_id)
    return FrameRecord(
        field.path, index.integer(0, _MOST_FRAMES), timestamp.number(0, _LARGEST) if timestamp else None, objects
    )


def _object(field: Field) -> ObjectRecord:
    box, area, confidence = field.get("bbox"), field.get("area"), field.get("confidence")
    grid, order = field.get("mask_size"), field.get("mask_order")
    runs = field.get("mask_rle")
    if runs is None and field.get("mask") is not None:
        raise _unsupported(field.file, f"{field.path}.mask", "masks are mask{counts, size} objects")
    runs = field.need("mask_rle")
    if isinstance(runs.value, dict | list):
        raise _unsupported(field.file, runs.path, f"masks are given as a {type(runs.value).__name__}, not as text")
    text = runs.text(_LONGEST_RUNS)
    if _COMPRESSED.match(text):
        raise _unsupported(field.file, runs.path, "masks are COCO compressed strings", text)
    return ObjectRecord(
        path=field.path,
        object_id=field.need("object_id").integer(0, _MOST_OBJECT_ID),
        label=field.need("label").text(_LONGEST_LABEL),
        runs=text,
        grid=_grid(grid) if grid else None,
        order=_order(order) if order else None,
        box=_box(box) if box else None,
        area=area.number(0, _LARGEST) if area else None,
        confidence=confidence.number(0, 1) if confidence else None,
    )


def _grid(field: Field) -> tuple[int, int]:
    sides = field.elements()
    if len(sides) != 2:
        raise field.error("wrong_type", "must be [height, width]")
    return sides[0].integer(1, _MOST_PIXELS_A_SIDE), sides[1].integer(1, _MOST_PIXELS_A_SIDE)


def _order(field: Field) -> Order:
    found = _ORDERS.get(field.text(_LONGEST_LABEL).strip().lower())
    if found is None:
        raise field.error("bad_mask_order", 'must be "row" or "column" (or "C", "F")')
    return found


def _box(field: Field) -> tuple[float, float, float, float]:
    values = [each.number(-_LARGEST, _LARGEST) for each in field.elements()]
    if len(values) != 4:
        raise field.error("wrong_type", "must have four numbers [x, y, width, height]")
    return values[0], values[1], values[2], values[3]


def _refuse_repeated_frames(file: str, frames: list[FrameRecord]) -> None:
    first: dict[int, str] = {}
    for frame in frames:
        if frame.frame_index in first:
            raise ExportError(
                "duplicate_frame",
                f"{first[frame.frame_index]} annotates the same frame",
                remedy="Keep one record a frame.",
                file=file,
                field=f"{frame.path}.frame_index",
                value=frame.frame_index,
            )
        first[frame.frame_index] = frame.path


def _unsupported(file: str, field: str | None, found: str, value: str | None = None) -> ExportError:
    problem = f"unsupported layout: {found}"
    if value is None:
        return ExportError("unsupported_layout", problem, remedy=_LATER, file=file, field=field)
    return ExportError("unsupported_layout", problem, remedy=_LATER, file=file, field=field, value=value)
