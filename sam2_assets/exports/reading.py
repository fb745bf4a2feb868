"""Chooses the reader of an export's annotations by what they hold, not by what they are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import (
    MOST_FRAMES,
    Document,
    ObjectRecord,
    Order,
    parse_document,
    parse_frames,
)
from sam2_assets.exports.documents import Documents
from sam2_assets.exports.fields import Field
from sam2_assets.exports.layout import Layout
from sam2_assets.exports.object_major import parse_object_major
from sam2_assets.exports.segments import parse_segments
from sam2_assets.exports.video_facts import VideoFacts, stated_facts

_SAME_SHAPE: Final = 0.01


def read_document(documents: Documents, layout: Layout, unstated: Callable[[], VideoFacts]) -> Document:
    """Read the annotations of an export.

    Args:
        documents: the JSON documents of the ZIP.
        layout: where its files are.
        unstated: size and length of the video for exports that do not state them; raises if nobody knows them.

    Raises:
        ExportError: ``bad_json``, ``unsupported_layout``, and those of the layouts' readers.
    """
    if layout.index is not None:
        return _settled(parse_segments(documents, layout, unstated))
    part = layout.parts[0]
    root = documents.field(part.annotations)
    return _settled(parse_root(root, lambda: stated_facts(documents, part) or unstated()))


def parse_root(root: Field, facts: Callable[[], VideoFacts]) -> Document:
    """Read one annotations document.

    Args:
        root: the whole document.
        facts: size and length of the video, asked for only if the document does not state them.
    """
    if isinstance(root.value, list):
        return frames_of_list(root, facts())
    if "annotations" in root.mapping():
        return parse_document(root)
    if "objects" in root.mapping():
        return parse_object_major(root, facts())
    if root.mapping().keys() & {"video", "export_config"}:
        root.need("annotations")
    raise ExportError(
        "unsupported_layout",
        'unsupported layout: a document must have "annotations" or "objects", or be a list of frames',
        remedy="Export with the SAM2 demo, or write one of the layouts of docs/exports.md.",
        file=root.file,
        value=sorted(root.mapping())[:8],
    )


def frames_of_list(root: Field, facts: VideoFacts) -> Document:
    """A bare list of frames: the annotations of one action segment without its index."""
    frames = parse_frames(root, facts.total_frames or MOST_FRAMES)
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
        layout="list of frames",
        of_the_demo=True,
        size_from=facts.origin,
        total_from=total_from,
    )


def _settled(document: Document) -> Document:
    _refuse_swapped_sizes(document)
    return _one_habit(document)


def _refuse_swapped_sizes(document: Document) -> None:
    """A grid of the frame's shape turned on its side is ``[width, height]``: read as stated, masks would be too."""
    width, height = document.width, document.height
    if width == height:
        return
    for frame in document.frames:
        for record in frame.objects:
            if record.grid is None:
                continue
            if abs(record.grid[1] * width / (record.grid[0] * height) - 1) < _SAME_SHAPE:
                raise ExportError(
                    "mask_size_contradiction",
                    f"the mask's sides are those of a {width} x {height} frame, but swapped",
                    remedy="State the size of a mask as [height, width].",
                    file=document.file,
                    field=record.path,
                    value=list(record.grid),
                )


def _one_habit(document: Document) -> Document:
    """Masks without a stated order share one, which evidence decides; but for documents that mix two writings.

    There COCO's masks get the order that COCO defines, so that the others can be decided on their own.
    """
    unstated = {record.coco for frame in document.frames for record in frame.objects if record.order is None}
    if len(unstated) < 2:
        return document
    frames = tuple(
        frame._replace(objects=tuple(_with_order(record) for record in frame.objects)) for frame in document.frames
    )
    note = "masks: some are written as COCO does, taken as column-major; the order of the others is decided apart"
    return dataclasses.replace(document, frames=frames, notes=(*document.notes, note))


def _with_order(record: ObjectRecord) -> ObjectRecord:
    return record._replace(order=Order.COLUMN) if record.coco and record.order is None else record
