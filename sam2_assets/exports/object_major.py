"""Annotations listed by object, each with the frames it is in (the fork's documented ``EXPORT_FORMAT``, 1.0)."""

from __future__ import annotations

from sam2_assets.exports.document import (
    MOST_FRAMES,
    Document,
    FrameRecord,
    ObjectRecord,
    frame_index,
    parse_object,
    read_id,
    read_label,
    refuse_repeated_objects,
    timestamp,
)
from sam2_assets.exports.fields import Field
from sam2_assets.exports.video_facts import VideoFacts


def parse_object_major(root: Field, facts: VideoFacts) -> Document:
    """Read ``{"objects": [{object_id, label, frames: [{frame_index, mask, bbox}]}]}``.

    Args:
        root: the whole document.
        facts: size and length of the video.

    Raises:
        ExportError: as ``parse_document``.
    """
    frames = frames_by_object(root.need("objects"), facts.total_frames or MOST_FRAMES)
    if not frames:
        raise root.need("objects").error("out_of_range", "no frame is annotated")
    total, total_from = facts.length(frames[-1].frame_index)
    return Document(
        file=root.file,
        filename=facts.filename,
        width=facts.width,
        height=facts.height,
        total_frames=total,
        source_fps=facts.fps,
        duration=None,
        exporter_version=None,
        frame_indices=None,
        frames=frames,
        layout="object-major",
        size_from=facts.origin,
        total_from=total_from,
    )


def frames_by_object(objects: Field, total: int) -> tuple[FrameRecord, ...]:
    """The same records by frame, sorted by index; within a frame in the order of the objects."""
    paths: dict[int, str] = {}
    times: dict[int, float | None] = {}
    records: dict[int, list[ObjectRecord]] = {}
    for each in objects.elements():
        object_id, label = read_id(each), read_label(each)
        for entry in each.need("frames").elements():
            index = frame_index(entry, total)
            paths.setdefault(index, entry.path)
            if times.get(index) is None:
                times[index] = timestamp(entry)
            records.setdefault(index, []).append(parse_object(entry, object_id, label))
    for found in records.values():
        refuse_repeated_objects(objects.file, found)
    return tuple(FrameRecord(paths[i], i, times[i], tuple(records[i])) for i in sorted(records))
