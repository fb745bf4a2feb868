"""What a dataset of many frames and two of its formats cost on top of the import, beside copying the same pictures.

python -m benchmarks.datasets --frames 10000 --formats llava coco --json result.json

The tables come from the real import of a drawn export; its pictures are 1280 x 720, as the demo makes them, saved as
JPEG. Copying is ``shutil.copyfile`` of each, in the same process, before and after.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from benchmarks.importing import run
from benchmarks.stages import PeakMemory, timed
from benchmarks.synthetic_export import scenery, write_export
from sam2_assets.exports import read_export
from sam2_assets.instructions import TASKS, InstructionSettings, build_dataset
from sam2_assets.tables import Tables

_GRID = (256, 256)
_SIZE = (1280, 720)
_QUALITY = 92
_SCENES = 200
"""Drawn; then they come again. Nothing here takes less time for a picture that it has seen."""


def write_raw(raw: Path, frames: int) -> int:
    """A raw export of so many frames of 1280 x 720 with clean pictures; returns the bytes of the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "export.zip")
        write_export(archive, frames, _GRID, size=_SIZE)
        raw.mkdir()
        read_export(archive, raw)
    tables = Tables.read(raw)
    (raw / "images").mkdir(exist_ok=True)
    saved = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    scenes = [bytes(cv2.imencode(".jpg", scenery(n, _SIZE), saved)[1]) for n in range(min(frames, _SCENES))]
    hashes, size = [], 0
    for index in tables.frames["frame_index"]:
        data = scenes[index % _SCENES]
        (raw / _name(index)).write_bytes(data)
        hashes.append(hashlib.sha256(data).hexdigest())
        size += len(data)
    tables.frames["image"] = [_name(index) for index in tables.frames["frame_index"]]
    tables.frames["image_sha256"] = hashes
    tables.frames["image_origin"] = "export_clean"
    tables.write(raw)
    return size


def _name(index: int) -> str:
    return f"images/frame_{index:06d}.jpg"


def copy(raw: Path, out: Path) -> None:
    """Copy every picture once."""
    out.mkdir()
    for path in sorted((raw / "images").iterdir()):
        shutil.copyfile(path, out / path.name)


def measure(raw: Path, work: Path, formats: Sequence[str], tasks: Sequence[str]) -> dict[str, Any]:
    """Copy, build, copy again; memory of the build with what the process held before."""
    copies = [timed(lambda: copy(raw, work / "copy"))]
    shutil.rmtree(work / "copy")
    memory = PeakMemory()
    settings = InstructionSettings(tasks=list(tasks), formats=list(formats))
    build = timed(lambda: build_dataset(raw, work / "dataset", settings))
    peak = memory.stop()
    written = sum(path.stat().st_size for path in (work / "dataset").rglob("*") if path.is_file())
    copies.append(timed(lambda: copy(raw, work / "copy")))
    shutil.rmtree(work / "copy")
    shutil.rmtree(work / "dataset")
    mean = {kind: sum(each[kind] for each in copies) / len(copies) for kind in build}
    return {
        "tasks": list(tasks),
        "formats": list(formats),
        "copies": copies,
        "copy": mean,
        "build": build,
        "ratio": {kind: build[kind] / mean[kind] for kind in build},
        "written_mb": written / 1e6,
        "peak_mb": peak / 1e6,
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the table; write the figures as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[2_500, 10_000], help="each number is measured")
    parser.add_argument("--formats", nargs="+", default=["llava", "coco"])
    parser.add_argument("--all-tasks", action="store_true", help="every task, not the two default ones")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure; default: where temporary files go")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    tasks = list(TASKS) if given.all_tasks else InstructionSettings().tasks
    if given.raw:
        with tempfile.TemporaryDirectory(dir=given.work) as work:
            print(json.dumps(measure(given.raw, Path(work), given.formats, tasks)))
        return
    found = []
    print("| frames | pictures MB | formats | copy once s | dataset and formats s | ratio | by the clock | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for frames in given.frames:
        with tempfile.TemporaryDirectory(dir=given.work) as folder:
            raw = Path(folder, "raw")
            size = write_raw(raw, frames)
            child = ["benchmarks.datasets", "--raw", raw, "--work", folder, "--formats", *given.formats]
            result = json.loads(run(*child, *(["--all-tasks"] if given.all_tasks else [])))
        found.append({"frames": frames, "pictures_mb": size / 1e6, **result})
        cells = [
            str(frames),
            f"{size / 1e6:.0f}",
            ", ".join(given.formats),
            f"{result['copy']['cpu_s']:.1f}",
            f"{result['build']['cpu_s']:.1f}",
            f"{result['ratio']['cpu_s']:.1f}",
            f"{result['build']['wall_s']:.1f} to {result['copy']['wall_s']:.1f} s: {result['ratio']['wall_s']:.1f}",
            f"{result['peak_mb']:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
