"""Action segments (the fork's format 2.0): one folder a named stretch of one video, listed by ``segments_index.json``.

All segments of an archive are of one session and so of one video, with one numbering of frames and of objects: they are
read as one export. What the segments are called is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.document import (
    LONGEST_LABEL,
    MOST_FRAMES,
    Document,
    FrameRecord,
    ObjectRecord,
    Segment,
    parse_document,
    parse_frames,
    read_id,
    read_label,
)
from sam2_assets.exports.documents import Documents
from sam2_assets.exports.fields import Field
from sam2_assets.exports.layout import Layout, Part
from sam2_assets.exports.object_major import frames_by_object
from sam2_assets.exports.video_facts import VideoFacts, stated_facts

_REMEDY: Final = "Export the segments again; do not mix the folders of several exports."


def parse_segments(documents: Documents, layout: Layout, unstated: Callable[[], VideoFacts]) -> Document:
    """Read an export of action segments.

    Args:
        documents: the JSON documents of the ZIP.
        layout: with ``index``.
        unstated: size and length of the video, which the segments do not state.

    Raises:
        ExportError: ``segment_missing``, ``segment_contradiction``, and those of the documents' readers.
    """
    index = documents.field(str(layout.index))
    parts = {part.folder: part for part in layout.parts}
    facts = next((found for part in layout.parts if (found := stated_facts(documents, part)) is not None), None)
    facts = facts or unstated()
    _refuse_other_sessions(documents, layout.parts)
    objects, most = 0, documents.settings.max_objects
    notes: list[str] = []
    segments: list[Segment] = []
    frames: dict[int, FrameRecord] = {}
    for entry in index.need("segments").elements():
        part = _part(entry, parts)
        read = _frames(documents.field(part.annotations), facts.total_frames or MOST_FRAMES)
        objects += sum(len(frame.objects) for frame in read)
        if objects > most:
            raise too_large(part.annotations, "max_objects", objects, most, code="document_too_large", field="objects")
        segment = _segment(entry, documents, part, len(read))
        segments.append(segment)
        notes += _doubts(segment, read)
        for frame in read:
            placed = _placed(frame, part)
            known = frames.get(frame.frame_index)
            frames[frame.frame_index] = placed if known is None else _merged(known, placed, layout)
    if parts:
        raise _contradiction(str(layout.index), "segments", f"the index lists no segment in {sorted(parts)}")
    if not frames:
        raise index.need("segments").error("out_of_range", "no segment annotates a frame")
    ordered = tuple(frames[i] for i in sorted(frames))
    total, total_from = facts.length(ordered[-1].frame_index)
    return Document(
        file=str(layout.index),
        filename=facts.filename,
        width=facts.width,
        height=facts.height,
        total_frames=total,
        source_fps=facts.fps,
        duration=None,
        exporter_version=None,
        frame_indices=None,
        frames=ordered,
        layout="action segments",
        of_the_demo=True,
        size_from=facts.origin,
        total_from=total_from,
        segments=tuple(segments),
        notes=tuple(notes),
    )


def _part(entry: Field, parts: dict[str, Part]) -> Part:
    folder = entry.need("folder")
    part = parts.pop(folder.text(LONGEST_LABEL).strip("/"), None)
    if part is None:
        raise folder.error("segment_missing", "the archive has no such folder with annotations.json", _REMEDY)
    return part


def _frames(root: Field, total: int) -> tuple[FrameRecord, ...]:
    if isinstance(root.value, list):
        return parse_frames(root, total) if root.value else ()
    if "objects" in root.mapping():
        return frames_by_object(root.need("objects"), total)
    return parse_document(root).frames


def _segment(entry: Field, documents: Documents, part: Part, frames: int) -> Segment:
    bounds = entry.need("frame_range")
    ends = [each.integer(0, MOST_FRAMES) for each in bounds.elements()]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise bounds.error("out_of_range", "must be [first frame, last frame]")
    return Segment(
        segment_id=entry.need("segment_id").text(LONGEST_LABEL),
        name=entry.need("segment_name").text(LONGEST_LABEL),
        first_frame=ends[0],
        last_frame=ends[1],
        folder=part.folder,
        frames=frames,
        objects=_described_objects(documents, part),
    )


def _described_objects(documents: Documents, part: Part) -> dict[int, str]:
    """Labels by id from ``action_segment_<id>.json``; empty without it."""
    found = [name for name in part.others if PurePosixPath(name).name.startswith("action_segment_")]
    if not found:
        return {}
    objects = documents.field(found[0]).get("objects")
    return {} if objects is None else {read_id(each): read_label(each) for each in objects.elements()}


def _doubts(segment: Segment, frames: Iterable[FrameRecord]) -> list[str]:
    place = f"segments: {segment.folder}"
    outside = [f.frame_index for f in frames if not segment.first_frame <= f.frame_index <= segment.last_frame]
    said = {(o.object_id, o.label) for f in frames for o in f.objects}
    other = sorted({i for i, label in said if i in segment.objects and segment.objects[i] != label})
    notes = []
    if outside:
        notes.append(f"{place}: {len(outside)} frames lie outside its range, the first is {min(outside)}")
    if other:
        notes.append(f"{place}: objects {other} have other labels in its description; those of the frames are used")
    return notes


def _placed(frame: FrameRecord, part: Part) -> FrameRecord:
    """The record with paths that tell the segment: one document stands for all."""
    objects = tuple(o._replace(path=f"{part.annotations}: {o.path}") for o in frame.objects)
    return frame._replace(path=f"{part.annotations}: {frame.path}", objects=objects)


def _merged(one: FrameRecord, other: FrameRecord, layout: Layout) -> FrameRecord:
    """A frame that two overlapping segments annotate: their objects together."""
    known = {o.object_id: o for o in one.objects}
    for record in other.objects:
        first = known.setdefault(record.object_id, record)
        if _content(first) != _content(record):
            raise _contradiction(
                str(layout.index), record.path, f"{first.path} says something else about the same object and frame"
            )
    return one._replace(objects=tuple(known.values()))


def _content(record: ObjectRecord) -> ObjectRecord:
    return record._replace(path="")


def _refuse_other_sessions(documents: Documents, parts: Iterable[Part]) -> None:
    sessions: dict[str, str] = {}
    for part in parts:
        if part.metadata is None or part.metadata.endswith(".txt"):
            continue
        session = documents.field(part.metadata).get("session_id")
        if session is not None:
            sessions.setdefault(session.text(LONGEST_LABEL), part.metadata)
    if len(sessions) > 1:
        raise ExportError(
            "several_exports",
            f"the segments are of {len(sessions)} sessions ({', '.join(sorted(sessions.values()))})",
            remedy="Upload one ZIP a video.",
            file=documents.archive.name,
            field="session_id",
            value=sorted(sessions),
        )


def _contradiction(file: str, field: str, problem: str) -> ExportError:
    return ExportError("segment_contradiction", problem, remedy=_REMEDY, file=file, field=field)
