"""``annotations.json`` and ``metadata.json`` as the demo's exporter writes them, wrong values included.

The mistakes are the format: runs are row-major on a 256 x 256 grid, boxes are those of the transposed mask on that
grid, areas count grid cells, confidence is a constant, and the clock runs at 30 frames a second whatever the video.
"""

from __future__ import annotations

import datetime
import json
import uuid
from dataclasses import dataclass

import cv2
import numpy as np

from sam2_assets.sample.paint import Image

GRID = 256
CLAIMED_FPS = 30.0
_CONFIDENCE = 0.95
_EPOCH = datetime.datetime(2026, 1, 1, 9)


@dataclass(frozen=True)
class Record:
    """One object in one annotated frame; ``grid`` is its mask on the grid, uint8 0/1, ``(GRID, GRID)``."""

    object_id: int
    label: str
    grid: Image


@dataclass(frozen=True)
class Session:
    """What an export says about its video and its request; ``key`` fixes the session's identifier and date."""

    key: str
    width: int
    height: int
    total_frames: int
    target_fps: int
    frame_indices: tuple[int, ...]

    @property
    def identifier(self) -> uuid.UUID:
        """The same key gives the same identifier, shaped like the random ones of the demo."""
        return uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, f"sam2-assets-sample:{self.key}").bytes, version=4)

    def time_stamp(self, later_us: int = 0) -> str:
        """A fixed date of the session, ISO 8601 with microseconds and ``Z``."""
        shift = datetime.timedelta(microseconds=self.identifier.int % 3_600_000_000 + later_us)
        return (_EPOCH + shift).isoformat(timespec="microseconds") + "Z"


def sampled_indices(total_frames: int, target_fps: int) -> tuple[int, ...]:
    """The frames that the exporter annotates: every ``30 / target_fps``-th of them, from 0."""
    return tuple(range(0, total_frames, max(1, round(CLAIMED_FPS / target_fps))))


def to_grid(mask: Image) -> Image:
    """A frame's mask squashed onto the grid: a cell is set where at least half of what it covers is."""
    share = cv2.resize(mask * np.uint8(255), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return (share >= 128).astype(np.uint8)


def row_major_runs(grid: Image) -> list[int]:
    """Run lengths along the rows, the run of zeros first (0 if the first cell is set)."""
    cells = grid.ravel()
    edges = np.flatnonzero(np.diff(cells)) + 1
    runs = np.diff(np.concatenate([[0], edges, [cells.size]])).tolist()
    return [0, *runs] if cells[0] else runs


def _record(record: Record) -> dict[str, object]:
    runs = row_major_runs(record.grid)
    # The exporter decodes its row-major runs column by column: its box is the transposed mask's.
    box = cv2.boundingRect(np.ascontiguousarray(record.grid.T))
    return {
        "object_id": record.object_id,
        "label": record.label,
        "mask_rle": " ".join(map(str, runs)),
        "bbox": [int(value) for value in box],
        "area": sum(runs[1::2]),
        "confidence": _CONFIDENCE,
    }


def annotations_json(session: Session, frames: dict[int, list[Record]]) -> bytes:
    """``annotations.json`` for ``frames`` (frame index to its records, in order), indented, UTF-8."""
    document = {
        "video": {
            "filename": f"session_{session.identifier}.mp4",
            "width": session.width,
            "height": session.height,
            "source_fps": CLAIMED_FPS,
            "total_frames": session.total_frames,
            "duration_sec": round(session.total_frames / CLAIMED_FPS, 3),
        },
        "export_config": {
            "target_fps": session.target_fps,
            "total_exported_frames": len(session.frame_indices),
            "frame_indices": list(session.frame_indices),
            "export_timestamp": session.time_stamp(),
            "exporter_version": "1.0.0",
        },
        "annotations": [
            {
                "frame_index": index,
                "timestamp_sec": round(index / CLAIMED_FPS, 3),
                "objects": [_record(record) for record in records],
            }
            for index, records in frames.items()
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def metadata_json(session: Session, frames: dict[int, list[Record]]) -> bytes:
    """``metadata.json`` for the same session and frames."""
    records = [record for found in frames.values() for record in found]
    document = {
        "export_info": {
            # The exporter writes this file a moment after the other.
            "created_at": session.time_stamp(1_800),
            "format_version": "1.0",
            "exporter": "SAM2 Demo Export Tool",
        },
        "video": {
            "filename": f"session_{session.identifier}.mp4",
            "width": session.width,
            "height": session.height,
            "fps": CLAIMED_FPS,
            "total_frames": session.total_frames,
            "duration_sec": session.total_frames / CLAIMED_FPS,
        },
        "export_config": {"target_fps": session.target_fps, "frame_indices": list(session.frame_indices)},
        "statistics": {
            "total_frames": len(frames),
            "total_objects": len(records),
            "unique_objects": len({record.object_id for record in records}),
            "objects_per_frame": len(records) / len(frames) if frames else 0,
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
