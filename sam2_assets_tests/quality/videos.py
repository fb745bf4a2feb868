"""Builds small, sound videos with real masks and pictures, for tests to spoil in one respect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pycocotools.mask as coco
from numpy.typing import NDArray
from PIL import Image

from sam2_assets.tables import ImageOrigin, Provenance, Tables

WIDTH, HEIGHT = 64, 48
Mask = NDArray[np.uint8]


def rectangle(x: int, y: int, w: int, h: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[y : y + h, x : x + w] = 1
    return mask


def runs(mask: Mask) -> str:
    return str(coco.encode(np.asfortranarray(mask))["counts"].decode("ascii"))


@dataclass(frozen=True)
class Track:
    """One object: a label and a mask per frame (by position; None where it is not annotated)."""

    label: str | Sequence[str] = "dog"
    mask: Callable[[int], Mask | None] = field(default=lambda i: rectangle(10 + i, 12, 14, 10))


@dataclass
class Video:
    """A raw_export folder with its tables."""

    folder: Path
    tables: Tables

    @property
    def frames(self) -> pd.DataFrame:
        return self.tables.frames

    def picture(self, row: int) -> Path:
        return self.folder / str(self.frames.loc[row, "image"])

    @property
    def objects(self) -> pd.DataFrame:
        return self.tables.objects


def make_video(
    folder: Path,
    tracks: Mapping[int, Track] | None = None,
    *,
    frames: int = 24,
    step_s: float = 0.125,
    origin: ImageOrigin = ImageOrigin.EXPORT_CLEAN,
    fps_origin: str = "probed",
) -> Video:
    """A video that no check complains about, unless ``tracks`` ask for it."""
    tracks = {0: Track()} if tracks is None else tracks
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(7)
    frame_rows, object_rows = [], []
    for i in range(frames):
        index = 3 * i
        name = f"images/frame_{index:06d}.png"
        Image.fromarray(_scene(rng)).save(folder / name)
        frame_rows.append(
            {
                "video_id": "v1",
                "frame_index": index,
                "time_s": i * step_s,
                "image": name,
                "image_origin": str(origin),
                "image_sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "width": WIDTH,
                "height": HEIGHT,
            }
        )
        for object_id, track in sorted(tracks.items()):
            mask = track.mask(i)
            if mask is not None:
                label = track.label if isinstance(track.label, str) else track.label[i]
                object_rows.append(_object(index, object_id, label, mask))
    # One row more, cut off again, gives a table without objects the right column types too.
    object_rows.append(_object(0, 0, "dog", rectangle(0, 0, 1, 1)))
    tables = Tables(pd.DataFrame(frame_rows), pd.DataFrame(object_rows).iloc[:-1].copy())
    (folder / "import.json").write_text(json.dumps({"video": {"fps": 24.0, "fps_origin": fps_origin}}))
    return Video(folder, tables)


def _scene(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sharp, evenly lit, and like no other; its channels go together, as they do in footage."""
    light = rng.integers(40, 200, (HEIGHT, WIDTH, 1))
    return np.asarray(light + np.array([20, 0, 10]), np.uint8)


def _object(frame_index: int, object_id: int, label: str, mask: Mask) -> dict[str, object]:
    ys, xs = np.nonzero(mask)
    box = (0.0, 0.0, 0.0, 0.0)
    if len(xs):
        box = (float(xs.min()), float(ys.min()), float(np.ptp(xs) + 1), float(np.ptp(ys) + 1))
    return {
        "video_id": "v1",
        "frame_index": frame_index,
        "object_id": object_id,
        "label": label,
        "label_raw": label,
        **dict(zip(("box_x", "box_y", "box_w", "box_h"), box, strict=True)),
        "area_px": float(mask.sum()),
        "empty": not len(xs),
        "rle_counts": runs(mask),
        "grid_h": mask.shape[0],
        "grid_w": mask.shape[1],
        **dict(zip(("declared_x", "declared_y", "declared_w", "declared_h"), box, strict=True)),
        "declared_area": float(mask.sum()),
        "confidence": 0.9 + 0.001 * frame_index,
        "box_provenance": str(Provenance.STATED),
        "area_provenance": str(Provenance.STATED),
        "label_provenance": str(Provenance.STATED),
    }
