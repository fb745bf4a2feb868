"""Import and checks of long exports, as ratios to unpacking and parsing them in the same process.

python -m benchmarks.importing --json result.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.synthetic_export import HEIGHT, WIDTH, Pictures

GRIDS = {"256 x 256": (256, 256), "full resolution": (HEIGHT, WIDTH)}
_PICTURED = (
    (Pictures.PAINTED, "256 x 256"),
    (Pictures.PAINTED, "full resolution"),
    (Pictures.NOISY, "256 x 256"),
)
_FRAMES = 10_000
_OBJECTS_A_FRAME = 2.97
_GROWTH = (1_000, 10_000, 50_000)


def run(*command: object) -> str:
    """Standard output of a Python module run in a process of its own, on one thread unless it starts more."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-m", *map(str, command)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment).stdout


def case(
    folder: Path, frames: int, grid: tuple[int, int], repeats: int, pictures: Pictures | None = None
) -> dict[str, Any]:
    """Write an export, measure it, remove it."""
    archive = folder / "export.zip"
    flags = ["--pictures", pictures] if pictures else []
    objects = int(run("benchmarks.synthetic_export", archive, "--frames", frames, "--grid", *grid, *flags))
    found: dict[str, Any] = json.loads(run("benchmarks.stages", archive, "--repeats", repeats))
    archive.unlink()
    stages = found["median"]
    ratio = {
        kind: (stages["import"][kind] + stages["checks"][kind]) / stages["floor"][kind] for kind in ("cpu_s", "wall_s")
    }
    return {"frames": frames, "objects": objects, "grid": list(grid), "pictures": pictures, "ratio": ratio, **found}


def line(name: str, result: dict[str, Any]) -> str:
    """One row of the table."""
    stages = result["median"]
    cells = [
        name,
        str(result["frames"]),
        str(result["objects"]),
        *(f"{stages[stage]['cpu_s']:.2f}" for stage in ("floor", "import", "checks")),
        f"{result['ratio']['cpu_s']:.1f}",
        f"{result['ratio']['wall_s']:.1f}",
        f"{result['peak_mb']:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADER = (
    "| export | frames | objects | floor s | import s | checks s | ratio | ratio by clock | peak MB |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main(arguments: list[str] | None = None) -> None:
    """Print the table; write the figures as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=_FRAMES)
    parser.add_argument("--repeats", type=int, default=5, help="rounds after the first; medians are reported")
    parser.add_argument("--growth", type=int, nargs="*", default=_GROWTH, help="numbers of objects, on 256 x 256")
    parser.add_argument("--picture-frames", type=int, default=0, help="frames of an export with 1080p pictures")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    given = parser.parse_args(arguments)
    results: dict[str, dict[str, Any]] = {}
    print(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        cases: list[tuple[str, int, tuple[int, int], int, Pictures | None]] = [
            (name, given.frames, grid, given.repeats, None) for name, grid in GRIDS.items()
        ]
        cases += [
            (f"growth, {objects}", round(objects / _OBJECTS_A_FRAME), (256, 256), given.repeats, None)
            for objects in given.growth
        ]
        if given.picture_frames:
            cases += [
                (f"{kind} pictures, {name}", given.picture_frames, GRIDS[name], 0, kind) for kind, name in _PICTURED
            ]
        for name, frames, grid, repeats, pictures in cases:
            results[name] = case(Path(folder), frames, grid, repeats, pictures)
            print(line(name, results[name]), flush=True)
    if given.json:
        machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
        given.json.write_text(json.dumps({"machine": machine, "cases": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
