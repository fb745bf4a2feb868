"""Writes exports of any length in the demo's version 1 format, from drawn shapes; the same arguments, the same bytes.

Shapes, sizes and run counts are those of real exports: smooth blobs that wander, with specks at their edges as
SAM2 leaves them, three objects a frame, now and then one that is missing or hidden (an empty mask). Masks are drawn
in their own box only, so that full-resolution exports are quick to make.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 1920, 1080
_OBJECTS = 3
_LABELS = ("scissors", "scissors", "grasper")
_CORNERS = 180
_MARGIN = 6
_MISSING, _HIDDEN, _SPECKLED = 0.01, 0.02, 0.3
_WHEN = (2026, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Blob:
    """One object: a closed curve ``radius * (1 + sum of waves)`` around a centre that goes to and fro."""

    centre: npt.NDArray[np.float64]
    swing: npt.NDArray[np.float64]
    radius: float
    waves: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Blob:
        return cls(
            random.uniform(0.3, 0.7, 2),
            random.uniform(0.05, 0.2, 2),
            float(random.uniform(0.06, 0.16)),
            random.uniform(0.02, 0.12, 5),
            random.uniform(0, 2 * np.pi, 7),
        )

    def outline(self, frame: int, grid: tuple[int, int]) -> npt.NDArray[np.int32]:
        """Corners ``(n, 2)`` x, y in cells of ``grid`` (height, width)."""
        t = 2 * np.pi * frame / 900
        angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        order = np.arange(2, 7)[:, None]
        wave = (self.waves[:, None] * np.sin(order * (angle + 0.2 * t) + self.phases[:5, None])).sum(0)
        x, y = self.centre + self.swing * np.sin(t * np.array([1.3, 0.9]) + self.phases[5:])
        reach = self.radius * (1 + wave)
        across = x + reach * np.cos(angle) * HEIGHT / WIDTH
        return np.stack([across * grid[1], (y + reach * np.sin(angle)) * grid[0]], 1).astype(np.int32)


def row_major_runs(outline: npt.NDArray[np.int32], grid: tuple[int, int], random: np.random.Generator) -> list[int]:
    """Run lengths of a filled outline on ``grid``, with specks and holes at the edge of some."""
    low = np.maximum(outline.min(0) - _MARGIN, 0)
    high = np.minimum(outline.max(0) + _MARGIN, [grid[1] - 1, grid[0] - 1])
    # one column that stays empty at either side, so that no run goes on in the next row
    box = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 3), np.uint8)
    corners = outline - low + [1, 0]
    cv2.fillPoly(box, [corners.astype(np.int32)], 1)
    if random.random() < _SPECKLED:
        side = max(1, grid[1] // 480)
        near = corners[random.integers(0, _CORNERS, random.integers(2, 25))]
        for x, y in (near + random.integers(-3, 4, near.shape)).tolist():
            cv2.rectangle(box, (x, y), (x + side - 1, y + side - 1), int(random.integers(0, 2)), -1)
    box[:, [0, -1]] = 0
    row, column = np.nonzero(np.diff(box.astype(np.int8), axis=1))
    places = (row + low[1]) * grid[1] + column + low[0]
    runs: list[int] = np.diff(places, prepend=0, append=grid[0] * grid[1]).tolist()
    return runs if runs[-1] else runs[:-1]


def _transposed_box(runs: list[int], grid: tuple[int, int]) -> list[int]:
    """What the exporter writes for a box: that of the runs read column by column."""
    ends = np.cumsum(runs)
    if len(ends) < 2:
        return [0, 0, 0, 0]
    start, stop = ends[0::2][: len(ends[1::2])], ends[1::2]
    whole = bool((start // grid[0] != (stop - 1) // grid[0]).any())
    y0, y1 = (0, grid[0]) if whole else (int((start % grid[0]).min()), int(((stop - 1) % grid[0]).max()) + 1)
    x0, x1 = int(start[0] // grid[0]), int((stop[-1] - 1) // grid[0]) + 1
    return [x0, y0, x1 - x0, y1 - y0]


def frame_records(frames: int, grid: tuple[int, int], seed: int) -> Iterator[dict[str, Any]]:
    """The frame records of ``annotations.json``."""
    blobs = [Blob.drawn(np.random.default_rng((seed, k))) for k in range(_OBJECTS)]
    for frame in range(frames):
        random = np.random.default_rng((seed, frame, 7))
        objects = []
        for k, blob in enumerate(blobs):
            chance = random.random()
            if chance < _MISSING:
                continue
            hidden = chance < _MISSING + _HIDDEN
            runs = [grid[0] * grid[1]] if hidden else row_major_runs(blob.outline(frame, grid), grid, random)
            objects.append(
                {
                    "object_id": k,
                    "label": _LABELS[k],
                    "mask_rle": " ".join(map(str, runs)),
                    "bbox": _transposed_box(runs, grid),
                    "area": sum(runs[1::2]),
                    "confidence": 0.95,
                }
            )
        yield {"frame_index": frame, "timestamp_sec": round(frame / 30, 3), "objects": objects}


def scenery(frame: int, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Pixels of ``size`` (width, height), unlike every other frame's: bands that drift, and a little noise."""
    width, height = size
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    base = ((x + 3 * frame) // 8 + y // 6 & 0xFF).astype(np.uint8)
    noise = np.random.default_rng(frame).integers(0, 24, (height // 4, width // 4), np.uint8)
    noise = cv2.resize(noise, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return np.dstack([base // 2 + noise, base // 3 + 40 + noise, 120 - base // 4 + noise])


def picture(frame: int) -> bytes:
    """A clean 1080p PNG."""
    return bytes(cv2.imencode(".png", scenery(frame, (WIDTH, HEIGHT)), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def write_export(
    path: Path,
    frames: int,
    grid: tuple[int, int],
    *,
    pictures: bool = False,
    seed: int = 0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> int:
    """Write an export of ``frames`` frames of ``size`` (width, height); returns its number of objects."""
    records = list(frame_records(frames, grid, seed))
    video = {"filename": "session_0.mp4", "width": size[0], "height": size[1], "total_frames": frames}
    seconds = round(frames / 30, 3)
    document = {
        "video": {**video, "source_fps": 30.0, "duration_sec": seconds},
        "export_config": {
            "target_fps": 30,
            "total_exported_frames": frames,
            "frame_indices": list(range(frames)),
            "export_timestamp": "2026-01-01T00:00:00.000000Z",
            "exporter_version": "1.0.0",
        },
        "annotations": records,
    }
    objects = sum(len(record["objects"]) for record in records)
    metadata = {
        "export_info": {"format_version": "1.0", "exporter": "SAM2 Demo Export Tool"},
        "video": {**video, "fps": 30.0, "duration_sec": frames / 30},
        "statistics": {"total_frames": frames, "total_objects": objects},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in (("annotations.json", document), ("metadata.json", metadata)):
            archive.writestr(zipfile.ZipInfo(name, _WHEN), json.dumps(content, indent=2), zipfile.ZIP_DEFLATED)
        for record in records if pictures else []:
            if record["objects"]:
                name = f"images/frame_{record['frame_index']:06d}.png"
                archive.writestr(zipfile.ZipInfo(name, _WHEN), picture(record["frame_index"]))
    return objects


def main() -> None:
    """Write one export; the benchmark runs this in a process of its own, to keep its memory out of the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--grid", type=int, nargs=2, required=True, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--pictures", action="store_true")
    given = parser.parse_args()
    print(write_export(given.path, given.frames, tuple(given.grid), pictures=given.pictures))


if __name__ == "__main__":
    main()
