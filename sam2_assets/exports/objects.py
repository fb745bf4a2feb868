"""Stated objects to rows of the objects table: masks measured, boxes and areas checked against them, labels cleaned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.document import Document, ObjectRecord, Order
from sam2_assets.exports.labels import clean_label
from sam2_assets.exports.masks import Grid, grid_of, measure
from sam2_assets.exports.runs import parse_runs
from sam2_assets.tables import Provenance

# Text parsed at once: a few arrays of its size are alive at a time.
_TEXT_AT_ONCE: Final = 8 * 1024**2
# Cells measured at once: read across its lines, a mask of stripes has as many runs as cells, from a few hundred.
_CELLS_AT_ONCE: Final = 32 * 1024**2
_SAME: Final = 0.01
_BOX: Final = ["box_x", "box_y", "box_w", "box_h"]
_DECLARED: Final = ["declared_x", "declared_y", "declared_w", "declared_h"]


def objects_table(
    document: Document, unstated: Order, label_map: Mapping[str, str], most_bytes: int, *, corners: bool = False
) -> pd.DataFrame:
    """The objects table but for ``video_id``, sorted by frame and object.

    Boxes and areas are always the mask's; provenance says whether the export states the same (to 0.01 px).

    Args:
        document: the export.
        unstated: scan order of masks that do not state one.
        label_map: the user's, see ``clean_label``.
        most_bytes: ``max_mask_bytes``, of all masks' COCO text together.
        corners: whether stated boxes are two corners; the table has corner and size.

    Raises:
        ExportError: anything wrong with run lengths (``runs``, ``masks.grid_of``), or ``document_too_large``.
    """
    pairs = [
        (frame.frame_index, record)
        for frame in document.frames
        for record in sorted(frame.objects, key=lambda record: record.object_id)
    ]
    records = [record for _, record in pairs]
    boxes = np.zeros((len(records), 4))
    areas = np.zeros(len(records))
    counts = [""] * len(records)
    grids: list[Grid] = [(1, 1)] * len(records)
    size = 0
    for low, high in _chunks(records):
        _measure_chunk(document, records[low:high], unstated, boxes[low:high], areas[low:high], counts, grids, low)
        size += sum(map(len, counts[low:high]))
        if size > most_bytes:
            raise too_large(document.file, "max_mask_bytes", size, most_bytes, code="document_too_large")
    nan = float("nan")
    declared = np.array([r.box or (nan, nan, nan, nan) for r in records], float).reshape(-1, 4)
    if corners:
        declared[:, 2:] -= declared[:, :2]
    declared_area = np.array([nan if r.area is None else r.area for r in records], float)
    cleaned = {key: clean_label(*key, label_map) for key in {(r.label, r.object_id) for r in records}}
    labels = [cleaned[r.label, r.object_id] for r in records]
    return pd.DataFrame(
        {
            "frame_index": np.array([frame for frame, _ in pairs], np.int64),
            "object_id": np.array([r.object_id for r in records], np.int64),
            "label": _text([label for label, _ in labels]),
            "label_raw": _text([r.label for r in records]),
            **{name: boxes[:, i] for i, name in enumerate(_BOX)},
            "area_px": areas,
            "empty": areas == 0,
            "rle_counts": _text(counts),
            "grid_h": np.array([h for h, _ in grids], np.int64),
            "grid_w": np.array([w for _, w in grids], np.int64),
            **{name: declared[:, i] for i, name in enumerate(_DECLARED)},
            "declared_area": declared_area,
            "confidence": np.array([nan if r.confidence is None else r.confidence for r in records], float),
            "box_provenance": _provenance(np.isnan(declared[:, 0]), np.abs(declared - boxes).max(axis=1, initial=0)),
            "area_provenance": _provenance(np.isnan(declared_area), np.abs(declared_area - areas)),
            "label_provenance": _text([str(provenance) for _, provenance in labels]),
        }
    )


def _chunks(records: list[ObjectRecord]) -> Iterator[tuple[int, int]]:
    low = size = 0
    for i, record in enumerate(records):
        size += len(record.runs)
        if size > _TEXT_AT_ONCE:
            yield low, i + 1
            low, size = i + 1, 0
    if low < len(records):
        yield low, len(records)


def _measure_chunk(
    document: Document,
    records: list[ObjectRecord],
    unstated: Order,
    boxes: np.ndarray,
    areas: np.ndarray,
    counts: list[str],
    grids: list[Grid],
    offset: int,
) -> None:
    """Fill in ``boxes``, ``areas`` (views of this chunk), ``counts`` and ``grids`` (whole, from ``offset``)."""
    runs = parse_runs([r.runs for r in records], document.file, [r.runs_path for r in records])
    groups: dict[tuple[Grid, Order], list[int]] = {}
    for i, (record, total) in enumerate(zip(records, runs.totals().tolist(), strict=True)):
        grid = grid_of(record, total, document.width, document.height, document.file)
        grids[offset + i] = grid
        groups.setdefault((grid, record.order or unstated), []).append(i)
    for (grid, order), members in groups.items():
        step = max(1, _CELLS_AT_ONCE // (grid[0] * grid[1]))
        for low in range(0, len(members), step):
            which = np.array(members[low : low + step], np.int64)
            measured = measure(runs.pick(which), grid, order, document.width, document.height)
            boxes[which], areas[which] = measured.boxes, measured.areas
            for i, text in zip(which.tolist(), measured.counts, strict=True):
                counts[offset + i] = text


def _provenance(absent: np.ndarray, difference: np.ndarray) -> pd.api.extensions.ExtensionArray:
    stated = np.where(difference <= _SAME, str(Provenance.STATED), str(Provenance.RECOMPUTED))
    return _text(np.where(absent, str(Provenance.ABSENT), stated).tolist())


def _text(values: list[str]) -> pd.api.extensions.ExtensionArray:
    # without a type, a table without rows would get columns of no type
    return pd.array(values, dtype="str")
