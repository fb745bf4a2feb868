"""What an export states, as typed records, whatever its layout; and the reader of version 1, the demo's own layout.

Nothing is repaired or computed here. ``reading`` chooses the reader of a layout by its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Final, NamedTuple

from sam2_assets.errors import ExportError
from sam2_assets.exports.fields import Field
from sam2_assets.exports.mask_fields import LONGEST_TEXT, MOST_PIXELS_A_SIDE, Order, Writing, read_mask
from sam2_assets.exports.plain_records import PlainRecords, plain_records

__all__ = ["Document", "FrameRecord", "ObjectRecord", "Order", "Segment", "parse_document"]

MOST_FRAMES: Final = 10_000_000
LONGEST_LABEL: Final = 1_000
_MOST_OBJECT_ID: Final = 2**31 - 1
_LARGEST: Final = 1e9
EXPORTER: Final = "1.0.0"
"""``exporter_version`` of the demo's exporter, whose habits are known."""


class ObjectRecord(NamedTuple):
    """One object in one frame, as stated. ``path`` is its place in the document.

    A tuple, because a long export has tens of thousands.
    """

    path: str
    object_id: int
    label: str
    runs: str
    """Decimal run lengths separated by spaces, zero run first."""
    grid: tuple[int, int] | None
    """``(height, width)`` of the mask, if stated."""
    order: Order | None
    box: tuple[float, float, float, float] | None
    area: float | None
    confidence: float | None
    runs_field: str = "mask_rle"
    """The field below ``path`` that holds the runs."""
    writing: Writing = Writing.TEXT
    coco: bool = False
    """Whether the mask has the form of COCO's run lengths, which are column-major by definition."""

    @property
    def runs_path(self) -> str:
        """Where the runs stand in the document."""
        return f"{self.path}.{self.runs_field}"


class FrameRecord(NamedTuple):
    """One annotated frame, as stated; ``objects`` in the document's order, which decides overlay colours."""

    path: str
    frame_index: int
    timestamp: float | None
    objects: tuple[ObjectRecord, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the video that a person gave a name: an action.

    Args:
        segment_id: as stated.
        name: as stated; any text.
        first_frame: 0-based.
        last_frame: 0-based, belongs to the segment.
        folder: in the archive, below the export's own.
        frames: annotated frames in it.
        objects: id -> label, as the segment's own description lists them.
    """

    segment_id: str
    name: str
    first_frame: int
    last_frame: int
    folder: str
    frames: int
    objects: dict[int, str]


@dataclass(frozen=True, slots=True)
class Document:
    """What an export states, frames sorted by index."""

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
    layout: str = "version 1"
    of_the_demo: bool = False
    """Whether the demo's exporter wrote it, as the document itself tells: its masks are then row by row, its boxes
    those of the transposed mask on the mask's grid."""
    size_from: str = "stated"
    """Where width and height come from."""
    total_from: str = "stated"
    """Where the number of frames comes from."""
    segments: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences for people about what the reader met."""
    total_exported: int | None = None
    """How many frames the exporter says it wrote."""


def parse_document(root: Field) -> Document:
    """Read a version 1 ``annotations.json``: ``video`` and ``annotations``, the rest may be absent.

    Raises:
        ExportError: ``missing_field``, ``wrong_type``, ``out_of_range``, ``duplicate_frame``, ``duplicate_object``,
            ``bad_mask_order`` and others of ``read_mask``; each with the path of the field.
    """
    video = root.need("video")
    config = root.get("export_config")
    total = video.need("total_frames").integer(1, MOST_FRAMES)
    frames = parse_frames(root.need("annotations"), total)
    name = video.get("filename") or video.get("file_name")
    fps, duration = video.get("source_fps") or video.get("fps"), video.get("duration_sec")
    version = config.get("exporter_version") if config else None
    indices = config.get("frame_indices") if config else None
    version_text = version.text(LONGEST_LABEL) if version else None
    exported = config.get("total_exported_frames") if config else None
    return Document(
        file=root.file,
        filename=name.text(LONGEST_LABEL) if name else "",
        width=side(video.need("width")),
        height=side(video.need("height")),
        total_frames=total,
        source_fps=fps.number(0, 1000) if fps else None,
        duration=duration.number(0, _LARGEST) if duration else None,
        exporter_version=version_text,
        frame_indices=tuple(i.integer(0, MOST_FRAMES) for i in indices.elements()) if indices else None,
        frames=frames,
        of_the_demo=version_text == EXPORTER,
        total_exported=exported.integer(0, MOST_FRAMES) if exported else None,
    )


def side(field: Field) -> int:
    """A frame's width or height in pixels."""
    return field.integer(1, MOST_PIXELS_A_SIDE)


def parse_frames(annotations: Field, total: int) -> tuple[FrameRecord, ...]:
    """A list of frames with their objects, sorted by index.

    Args:
        annotations: the list.
        total: frames of the video; every index must be below.
    """
    plain = plain_records(
        annotations.value,
        frames=total,
        largest=_LARGEST,
        largest_id=_MOST_OBJECT_ID,
        longest_label=LONGEST_LABEL,
        longest_text=LONGEST_TEXT,
    )
    if plain is None:
        frames = [_frame(field, total) for field in annotations.elements()]
        refuse_repeated_frames(annotations.file, frames)
    else:
        frames = _plain_frames(annotations.path, plain)
    if not frames:
        raise annotations.error("out_of_range", "no frame is annotated")
    return tuple(sorted(frames, key=lambda frame: frame.frame_index))


def _plain_frames(path: str, plain: PlainRecords) -> list[FrameRecord]:
    """The records that ``_frame`` makes of the same frames."""
    paths = [f"{path}[{i}].objects[{k}]" for i, size in enumerate(plain.sizes) for k in range(size)]
    nothing = repeat(None)
    rest = map(repeat, ("mask_rle", Writing.TEXT, False))
    columns = (paths, plain.ids, plain.labels, plain.runs, nothing, nothing, plain.boxes, plain.areas)
    objects = map(ObjectRecord._make, zip(*columns, plain.confidences, *rest, strict=False))
    return [
        FrameRecord(f"{path}[{i}]", index, time, tuple(islice(objects, size)))
        for i, (index, time, size) in enumerate(zip(plain.indices, plain.timestamps, plain.sizes, strict=True))
    ]


def _frame(field: Field, total: int) -> FrameRecord:
    objects = tuple(parse_object(each) for each in field.need("objects").elements())
    refuse_repeated_objects(field.file, objects)
    return FrameRecord(field.path, frame_index(field, total), timestamp(field), objects)


def frame_index(field: Field, total: int) -> int:
    """``frame_index`` of a record, below ``total``."""
    index = field.need("frame_index")
    found = index.integer(0, MOST_FRAMES)
    if found >= total:
        raise index.error("out_of_range", f"the video has only {total} frames")
    return found


def timestamp(field: Field) -> float | None:
    """Seconds that a record states."""
    stated = field.get("timestamp_sec") or field.get("timestamp")
    return stated.number(0, _LARGEST) if stated else None


def parse_object(field: Field, object_id: int | None = None, label: str | None = None) -> ObjectRecord:
    """An object's record in a frame; id and label are read from it unless the layout has them elsewhere."""
    box, area, confidence = field.get("bbox"), field.get("area"), field.get("confidence")
    mask = read_mask(field)
    return ObjectRecord(
        path=field.path,
        object_id=read_id(field) if object_id is None else object_id,
        label=read_label(field) if label is None else label,
        runs=mask.runs,
        grid=mask.grid,
        order=mask.order,
        box=_box(box) if box else None,
        area=area.number(0, _LARGEST) if area else None,
        confidence=confidence.number(0, 1) if confidence else None,
        runs_field=mask.field,
        writing=mask.writing,
        coco=mask.coco,
    )


def read_id(field: Field) -> int:
    """``object_id`` of a record."""
    return field.need("object_id").integer(0, _MOST_OBJECT_ID)


def read_label(field: Field) -> str:
    """``label`` of a record."""
    return field.need("label").text(LONGEST_LABEL)


def _box(field: Field) -> tuple[float, float, float, float]:
    values = [each.number(-_LARGEST, _LARGEST) for each in field.elements()]
    if len(values) != 4:
        raise field.error("wrong_type", "must have four numbers [x, y, width, height]")
    return values[0], values[1], values[2], values[3]


def refuse_repeated_objects(file: str, objects: Sequence[ObjectRecord]) -> None:
    """``duplicate_object`` if two records of a frame have one id."""
    seen: set[int] = set()
    for record in objects:
        if record.object_id in seen:
            raise ExportError(
                "duplicate_object",
                "another object of the same frame has this id",
                remedy="Give every object of a frame its own id.",
                file=file,
                field=f"{record.path}.object_id",
                value=record.object_id,
            )
        seen.add(record.object_id)


def refuse_repeated_frames(file: str, frames: Sequence[FrameRecord]) -> None:
    """``duplicate_frame`` if two records have one index."""
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
