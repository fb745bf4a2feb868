"""What the export states and the tables do not keep: its frame list, counts and clock, for ``import.json``.

Nothing is judged here; the quality checks compare these facts with the tables and with thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.archive import Archive
from sam2_assets.exports.document import Document
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.layout import Layout
from sam2_assets.exports.settings import ImportSettings

_LISTED: Final = 1000
# the exporter rounds seconds to three decimals
_ROUNDING_S: Final = 0.0011


def stated_facts(
    archive: Archive, layout: Layout, document: Document, fps: float, settings: ImportSettings
) -> dict[str, Any]:
    """The section ``stated`` of ``import.json``; a value is null where the export does not state it.

    Args:
        archive: the open export, for its metadata document.
        layout: where that lies.
        document: what ``annotations.json`` states.
        fps: frames per second in use, for timestamps of an export that states no rate.
        settings: bounds of the metadata document.

    Returns:
        ``fps``, ``duration_s``; ``frame_list`` with ``count`` and the frame indices ``not_written``, ``not_planned``
        and ``repeated``; ``counts``: ``{"what", "stated", "found"}`` where both differ; ``timestamps`` with the
        ``rate`` that they were compared with and ``off``: ``[frame index, stated, expected]``, seconds, where they
        differ by more than rounding. Lists end after a thousand entries.
    """
    rate = document.source_fps or fps
    return {
        "fps": document.source_fps,
        "duration_s": document.duration,
        "frame_list": _frame_list(document),
        "counts": _counts(document, _statistics(archive, layout, settings)),
        "timestamps": {
            "rate": rate,
            "off": [
                [frame.frame_index, frame.timestamp, round(frame.frame_index / rate, 6)]
                for frame in document.frames
                if frame.timestamp is not None and abs(frame.timestamp - frame.frame_index / rate) > _ROUNDING_S
            ][:_LISTED],
        },
    }


def _frame_list(document: Document) -> dict[str, Any] | None:
    if document.frame_indices is None:
        return None
    planned, written = Counter(document.frame_indices), {frame.frame_index for frame in document.frames}
    return {
        "count": len(document.frame_indices),
        "not_written": _first(planned.keys() - written),
        "not_planned": _first(written - planned.keys()),
        "repeated": _first(frame for frame, times in planned.items() if times > 1),
    }


def _first(frames: Iterable[int]) -> list[int]:
    return sorted(frames)[:_LISTED]


def _counts(document: Document, statistics: dict[str, Any]) -> list[dict[str, Any]]:
    found = {
        "statistics.total_frames": len(document.frames),
        "statistics.total_objects": sum(len(frame.objects) for frame in document.frames),
        "statistics.unique_objects": len({record.object_id for frame in document.frames for record in frame.objects}),
    }
    stated = {f"statistics.{name}": value for name, value in statistics.items()}
    if document.total_exported is not None and document.frame_indices is not None:
        found["export_config.total_exported_frames"] = len(document.frame_indices)
        stated["export_config.total_exported_frames"] = document.total_exported
    return [
        {"what": what, "stated": stated[what], "found": count}
        for what, count in found.items()
        if isinstance(stated.get(what), int | float) and stated[what] != count
    ]


def _statistics(archive: Archive, layout: Layout, settings: ImportSettings) -> dict[str, Any]:
    """``statistics`` of the metadata document; empty if there is none, or it cannot be read (a warning says so)."""
    if layout.metadata is None or layout.index is not None:
        return {}
    try:
        data = archive.read(layout.metadata, settings.max_document_bytes, "max_document_bytes")
        metadata = parse_json(data, layout.metadata, settings)
    except ExportError as error:
        if error.code not in ("bad_json", "duplicate_key"):
            raise
        return {}
    statistics = metadata.get("statistics") if isinstance(metadata, dict) else None
    return statistics if isinstance(statistics, dict) else {}
