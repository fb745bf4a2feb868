"""Writes small exports the way the SAM2 demo does, and the ways in which files go wrong."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

WIDTH, HEIGHT, TOTAL = 320, 180, 24
PALETTE = [(0, 255, 0), (255, 0, 0), (0, 0, 255), (255, 255, 0)]


def run_lengths(mask: np.ndarray, order: str = "row") -> list[int]:
    flat = mask.ravel() if order == "row" else mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    return runs if flat[0] == 0 else [0, *runs]


def text(mask: np.ndarray, order: str = "row") -> str:
    return " ".join(map(str, run_lengths(mask, order)))


def blob(grid: tuple[int, int], x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """An ellipse with a corner, so that no transposition leaves it as it is; all in shares of the grid."""
    h, w = grid
    mask = np.zeros(grid, np.uint8)
    cv2.ellipse(mask, (int(x * w), int(y * h)), (int(rx * w), int(ry * h)), 0, 0, 360, 1, -1)
    mask[int(y * h) : int((y + ry * 1.2) * h), int(x * w) : int((x + rx * 0.5) * w)] = 1
    return mask


def scene(index: int) -> np.ndarray:
    """A textured, moving background, blue, green, red."""
    rng = np.random.default_rng(7)
    wide = cv2.resize(rng.integers(40, 200, (12, 40, 3), np.uint8), (WIDTH * 2, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return wide[:, index * 8 : index * 8 + WIDTH].copy()


def truth(index: int) -> list[np.ndarray]:
    """Two objects on the demo's 256 x 256 grid."""
    grid = (256, 256)
    return [blob(grid, 0.3 + index * 0.01, 0.5, 0.12, 0.2), blob(grid, 0.75, 0.6 - index * 0.005, 0.1, 0.15)]


def enlarge(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)


def painted(picture: np.ndarray, masks: list[np.ndarray], labels: list[str]) -> np.ndarray:
    """What the demo paints: tint, contour, black label box."""
    for k, (mask, label) in enumerate(zip(map(enlarge, masks), labels, strict=True)):
        tint = np.zeros_like(picture)
        tint[mask > 0] = PALETTE[k]
        picture = cv2.addWeighted(picture, 1.0, tint, 0.3, 0)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(picture, outlines, -1, PALETTE[k], 2)
        x, y, w, _ = cv2.boundingRect(mask)
        if w:
            base = max(20, y - 10)
            cv2.rectangle(picture, (x - 2, base - 19), (x + 8 * len(label), base + 5), (0, 0, 0), -1)
    return picture


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


@dataclass
class Export:
    """A version 1 export in memory; change ``document`` or ``pictures`` before ``write``."""

    document: dict[str, Any]
    pictures: dict[str, bytes]
    metadata: dict[str, Any] | None = None
    prefix: str = ""
    bom: bool = False
    extra: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> Export:
        return copy.deepcopy(self)

    def members(self) -> dict[str, bytes]:
        data = json.dumps(self.document, indent=2, ensure_ascii=False).encode()
        files = {"annotations.json": (b"\xef\xbb\xbf" if self.bom else b"") + data, **self.pictures}
        if self.metadata is not None:
            files["metadata.json"] = json.dumps(self.metadata).encode()
        return {**{self.prefix + name: data for name, data in files.items()}, **self.extra}

    def write(self, path: Path) -> Path:
        return write_zip(path, self.members())


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def demo_export(indices: tuple[int, ...] = (0, 6, 12, 18), *, paint: bool = True) -> Export:
    """An export as the demo writes it today: row-major, boxes and areas on the grid, transposed; clock at 30 fps."""
    labels = ["rocket", "comet"]
    annotations, pictures = [], {}
    for index in indices:
        masks = truth(index)
        annotations.append(
            {
                "frame_index": index,
                "timestamp_sec": round(index / 30, 3),
                "objects": [
                    {
                        "object_id": k,
                        "label": labels[k],
                        "mask_rle": text(mask),
                        "bbox": list(cv2.boundingRect(np.ascontiguousarray(mask.T))),
                        "area": int(mask.sum()),
                        "confidence": 0.95,
                    }
                    for k, mask in enumerate(masks)
                ],
            }
        )
        picture = painted(scene(index), masks, labels) if paint else scene(index)
        pictures[f"images/frame_{index:06d}.png"] = png(picture)
    video = {"filename": "session_x.mp4", "width": WIDTH, "height": HEIGHT, "total_frames": TOTAL}
    objects = 2 * len(annotations)
    return Export(
        {
            "video": {**video, "source_fps": 30.0, "duration_sec": round(TOTAL / 30, 3)},
            "export_config": {
                "target_fps": 5,
                "total_exported_frames": len(indices),
                "frame_indices": list(indices),
                "export_timestamp": "2026-01-01T00:00:00.000001Z",
                "exporter_version": "1.0.0",
            },
            "annotations": annotations,
        },
        pictures,
        {
            "export_info": {"format_version": "1.0"},
            "video": {**video, "fps": 30.0, "duration_sec": TOTAL / 30},
            "statistics": {"total_frames": len(indices), "total_objects": objects},
        },
    )


def full_resolution(export: Export, order: str, *, stated: bool) -> Export:
    """The same export with masks at the frame's size, lined up in ``order``."""
    export = export.copy()
    for frame in export.document["annotations"]:
        for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=True):
            record["mask_rle"] = text(enlarge(mask), order)
            if stated:
                record |= {"mask_size": [HEIGHT, WIDTH], "mask_order": order}
    return export


def write_video(path: Path, frames: list[np.ndarray], rate: int = 24) -> Path:
    """A real video file of frames (blue, green, red)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode(None))
    return path
