"""Well-formed uploads that the campaign damages: one of each kind, small, and real ones where they lie beside us."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from sam2_assets_tests.exports.export_builder import Export, demo_export, full_resolution, scene, write_video

SHARED = Path(__file__).resolve().parents[3] / "shared" / "exports" / "variants"
_REAL = 400_000
"""Bytes above which a real export is left out: a case should take a fraction of a second."""


@dataclass(frozen=True)
class Upload:
    """What a user uploads: the members of an archive, and perhaps a video beside it."""

    name: str
    members: dict[str, bytes]
    video: bytes | None = None


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The members as an archive, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def _object_major(export: Export) -> dict[str, Any]:
    """The documented layout in which objects hold their frames."""
    objects: dict[int, dict[str, Any]] = {}
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            runs = [int(run) for run in record["mask_rle"].split()]
            one = objects.setdefault(
                record["object_id"], {"object_id": record["object_id"], "label": record["label"], "frames": []}
            )
            mask = {"size": [256, 256], "counts": runs, "order": "row"}
            one["frames"].append({"frame_index": frame["frame_index"], "timestamp": 0.0, "mask": mask})
    return {"objects": list(objects.values())}


def _video(frames: int = 24) -> bytes:
    with TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "v.mp4", [scene(i) for i in range(frames)])
        return path.read_bytes()


@cache
def uploads() -> tuple[Upload, ...]:
    """Every kind, in a fixed order; the real ones last, if there are any."""
    demo = demo_export((0, 6))
    clean = full_resolution(demo_export((0, 6), paint=False), "column", stated=True)
    jpeg = demo_export((0, 6), paint=False)
    jpeg.pictures = {
        name.replace(".png", ".jpg"): cv2.imencode(".jpg", cv2.imdecode(np.frombuffer(data, np.uint8), 1))[1].tobytes()
        for name, data in jpeg.pictures.items()
    }
    masks = demo.copy()
    masks.pictures = {}
    nested = demo.copy()
    nested.prefix, nested.bom, nested.extra = "export/", True, {"__MACOSX/._x": b"\0", "export/.DS_Store": b"\0"}
    fields = masks.copy()
    for frame in fields.document["annotations"]:
        for record in frame["objects"]:
            runs = [int(run) for run in record.pop("mask_rle").split()]
            record["mask"] = {"size": [256, 256], "counts": runs}
    objects = json.dumps(_object_major(demo)).encode()
    facts = {"video_info": {"width": 320, "height": 180, "fps": 30, "total_frames": 24}}
    segment = json.dumps(demo.document["annotations"]).encode()
    index = {
        "export_type": "action_segments",
        "format_version": "2.0",
        "segment_count": 1,
        "segments": [{"segment_id": "s1", "segment_name": "Walk", "folder": "segment_Walk_s1", "frame_range": [0, 23]}],
    }
    segment_members = {
        "segments_index.json": json.dumps(index).encode(),
        "segment_Walk_s1/annotations.json": segment,
        "segment_Walk_s1/metadata.json": json.dumps({"total_frames": 2}).encode(),
    }
    made = (
        Upload("demo", demo.members()),
        Upload("demo_with_video", demo.members(), _video()),
        Upload("clean", clean.members()),
        Upload("jpeg", jpeg.members()),
        Upload("masks_only", masks.members()),
        Upload("nested", nested.members()),
        Upload("mask_fields", fields.members()),
        Upload("object_major", {"annotations.json": objects, "metadata.json": json.dumps(facts).encode()}),
        Upload("segments", segment_members, _video()),
    )
    return (*made, *_real())


def _real() -> list[Upload]:
    found = []
    for path in sorted(SHARED.glob("*.zip")) if SHARED.is_dir() else []:
        if path.stat().st_size <= _REAL:
            with zipfile.ZipFile(path) as archive:
                members = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
            found.append(Upload(path.stem, members))
    return found
