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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from sam2_assets.sample.overlay import burn_in
from sam2_assets.threads import cores

WIDTH, HEIGHT = 1920, 1080
_OBJECTS = 3
_LABELS = ("scissors", "scissors", "grasper")
_CORNERS = 180
_MARGIN = 6
_MISSING, _HIDDEN, _SPECKLED = 0.01, 0.02, 0.3
_AT_ONCE = 200
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


class Pictures(StrEnum):
    """What the pictures of an export show; both are 1080p PNGs written with OpenCV's defaults, as the demo writes its.

    ``painted`` pictures are flat blocks with the objects' overlays: 74 KB each. ``noisy`` ones are clean bands with a
    little noise, which are as hard to unpack as soft footage: 1.7 MB each.
    """

    PAINTED = "painted"
    NOISY = "noisy"


_SIDE: Final = (90, 120)
"""Height and width of a block of a painted picture, pixels."""


def blobs(seed: int) -> list[Blob]:
    """The objects of an export."""
    return [Blob.drawn(np.random.default_rng((seed, k))) for k in range(_OBJECTS)]


def frame_records(frames: int, grid: tuple[int, int], seed: int) -> Iterator[dict[str, Any]]:
    """The frame records of ``annotations.json``."""
    drawn = blobs(seed)
    for frame in range(frames):
        random = np.random.default_rng((seed, frame, 7))
        objects = []
        for k, blob in enumerate(drawn):
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


def blocks(frame: int) -> npt.NDArray[np.uint8]:
    """Flat blocks of ``(HEIGHT, WIDTH)`` that change once a second."""
    y, x = np.arange(HEIGHT)[:, None] // _SIDE[0], np.arange(WIDTH)[None, :] // _SIDE[1]
    base = ((7 * y + 13 * x + frame // 30) % 17 * 9 + 40).astype(np.uint8)
    return np.dstack([base, base // 2 + 30, 255 - base])


def picture(kind: Pictures, record: dict[str, Any], seed: int) -> bytes:
    """The PNG of a frame record."""
    frame = record["frame_index"]
    if kind is Pictures.NOISY:
        pixels = scenery(frame, (WIDTH, HEIGHT))
    else:
        drawn, masks = blobs(seed), []
        for each in record["objects"]:
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            if each["area"]:
                cv2.fillPoly(mask, [drawn[each["object_id"]].outline(frame, mask.shape)], 1)
            masks.append((each["label"], mask))
        pixels = burn_in(blocks(frame), masks)
    return bytes(cv2.imencode(".png", pixels)[1])


def write_export(
    path: Path,
    frames: int,
    grid: tuple[int, int],
    *,
    pictures: Pictures | None = None,
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
        if pictures is not None:
            _write_pictures(archive, pictures, [record for record in records if record["objects"]], seed)
    return objects


def _write_pictures(archive: zipfile.ZipFile, kind: Pictures, records: list[dict[str, Any]], seed: int) -> None:
    with ThreadPoolExecutor(cores()) as pool:
        # few at a time: what is drawn waits in memory until it is written
        for start in range(0, len(records), _AT_ONCE):
            some = records[start : start + _AT_ONCE]
            drawn = pool.map(picture, repeat(kind), some, repeat(seed))
            for record, data in zip(some, drawn, strict=True):
                name = f"images/frame_{record['frame_index']:06d}.png"
                archive.writestr(zipfile.ZipInfo(name, _WHEN), data)


def main() -> None:
    """Write one export; the benchmark runs this in a process of its own, to keep its memory out of the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--grid", type=int, nargs=2, required=True, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--pictures", type=Pictures, choices=list(Pictures))
    given = parser.parse_args()
    print(write_export(given.path, given.frames, tuple(given.grid), pictures=given.pictures))


if __name__ == "__main__":
    main()
