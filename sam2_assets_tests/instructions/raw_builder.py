"""Real raw_export folders in miniature: pictures with rectangles, and the two tables computed from their masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pycocotools import mask as coco_mask

from sam2_assets.tables import Frames, Objects, Tables

VIDEO_ID = "5a2f00c1"


@dataclass(frozen=True)
class Thing:
    """A rectangle ``(x, y, w, h)`` in cells of the mask's grid; ``w = 0`` is an empty mask."""

    object_id: int
    label: str
    cells: tuple[int, int, int, int]


@dataclass(frozen=True)
class Shot:
    """A frame and what is on it; ``picture = False`` leaves the picture out."""

    frame_index: int
    things: Sequence[Thing]
    picture: bool = True


def build_raw(
    folder: Path,
    shots: Sequence[Shot],
    *,
    size: tuple[int, int] = (96, 64),
    grid: tuple[int, int] = (32, 32),
    fps: float = 24.0,
    video_id: str = VIDEO_ID,
    origin: str = "source_video",
) -> Path:
    """Write frames.parquet, objects.parquet and images/ (``size`` is width, height; ``grid`` height, width)."""
    width, height = size
    grid_h, grid_w = grid
    (folder / "images").mkdir(parents=True)
    frames, objects = [], []
    for shot in shots:
        rng = np.random.default_rng(shot.frame_index)
        pixels = rng.integers(0, 40, (height, width, 3), dtype=np.uint8)
        for thing in shot.things:
            x, y, w, h = thing.cells
            cells = np.zeros(grid, np.uint8, order="F")
            cells[y : y + h, x : x + w] = 1
            full = cells[np.arange(height) * grid_h // height][:, np.arange(width) * grid_w // width]
            pixels[full.astype(bool)] = (200, 40 * thing.object_id % 256, 90)
            box = coco_mask.toBbox(coco_mask.encode(np.asfortranarray(full))).tolist()
            objects.append(
                {
                    "video_id": video_id,
                    "frame_index": shot.frame_index,
                    "object_id": thing.object_id,
                    "label": thing.label,
                    "label_raw": thing.label,
                    **dict(zip(("box_x", "box_y", "box_w", "box_h"), box, strict=True)),
                    "area_px": float(cells.sum() * width * height / (grid_w * grid_h)),
                    "empty": not cells.any(),
                    "rle_counts": coco_mask.encode(cells)["counts"].decode("ascii"),
                    "grid_h": grid_h,
                    "grid_w": grid_w,
                    **dict.fromkeys(("declared_x", "declared_y", "declared_w", "declared_h", "declared_area"), np.nan),
                    "confidence": 0.95,
                    "box_provenance": "recomputed",
                    "area_provenance": "recomputed",
                    "label_provenance": "stated",
                }
            )
        name, digest = None, None
        if shot.picture:
            name = f"images/frame_{shot.frame_index:06d}.png"
            Image.fromarray(pixels).save(folder / name)
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        frames.append(
            {
                "video_id": video_id,
                "frame_index": shot.frame_index,
                "time_s": shot.frame_index / fps,
                "image": name,
                "image_origin": origin if shot.picture else "missing",
                "image_sha256": digest,
                "width": width,
                "height": height,
            }
        )
    columns = list(Objects.to_schema().columns)
    tables = Tables(
        pd.DataFrame(frames, columns=list(Frames.to_schema().columns)).astype({"image": "str", "image_sha256": "str"}),
        pd.DataFrame(objects, columns=columns),
    )
    if objects:
        tables.validate()
    tables.write(folder)
    return folder


def moving_shots(count: int, *, step: int = 6) -> list[Shot]:
    """Frames in which a large rocket and two small crates move; the crates' ids come before the rocket's."""
    return [
        Shot(
            i * step,
            [
                Thing(0, "crate", (1 + i % 5, 2, 4, 3)),
                Thing(2, "crate", (20, 24 - i % 6, 5, 4)),
                Thing(7, "rocket – Größe", (8, 8 + i % 7, 13, 9)),
            ],
        )
        for i in range(count)
    ]
