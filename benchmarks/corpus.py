"""What one more video costs a corpus, through Dagster: every export to its splits, then ``corpus/splits`` over all.

python -m benchmarks.corpus --videos 42 --frames 240 --json result.json

Before the last video comes, everything that was published of the others is taken away: the corpus does not miss it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.stages import timed
from benchmarks.synthetic_export import frame_records
from sam2_assets import inbox
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import CORPUS
from sam2_assets.cli.instance import Platform, add_partition, failure_reasons, open_platform, run_here
from sam2_assets.splitting import read_splits

SIZE: Final = (480, 270)
_GRID: Final = (256, 256)
_SCENE_FRAMES: Final = 24
Times = dict[str, float]


def scenery(video: int, frame: int) -> bytes:
    """A PNG of a video that is like no other's: patches of light that change into others within a second."""
    before, after = (
        np.random.default_rng((video, frame // _SCENE_FRAMES + step)).integers(0, 256, (9, 16, 3)) for step in (0, 1)
    )
    share = frame % _SCENE_FRAMES / _SCENE_FRAMES
    patches = ((1 - share) * before + share * after).astype(np.uint8)
    pixels = cv2.resize(patches, SIZE, interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def write_video(path: Path, video: int, frames: int) -> None:
    """An export whose pictures are clean and whose masks say how they are written, so that nothing holds it up."""
    records = list(frame_records(frames, _GRID, video))
    names = []
    for record in records:
        names.append(f"images/frame_{record['frame_index']:06d}.png")
        for found in record["objects"]:
            del found["bbox"], found["area"]
            found |= {"mask_size": list(_GRID), "mask_order": "row"}
    about = {"filename": f"session_{video}.mp4", "width": SIZE[0], "height": SIZE[1], "total_frames": frames}
    document = {
        "video": {**about, "source_fps": 24.0},
        "export_config": {"target_fps": 24, "frame_indices": list(range(frames))},
        "annotations": records,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("annotations.json", json.dumps(document), zipfile.ZIP_DEFLATED)
        for frame, name in enumerate(names):
            archive.writestr(name, scenery(video, frame))


@contextmanager
def platform_of_its_own(folder: Path) -> Iterator[Platform]:
    """A Dagster home in ``folder``, with a store of its own."""
    shutil.copy(Path(__file__).resolve().parents[1] / "dagster.yaml", folder / "dagster.yaml")
    before = dict(os.environ)
    os.environ |= {"DAGSTER_HOME": str(folder), "SAM2_ASSETS_ROOT": str(folder / "store")}
    try:
        with open_platform() as platform:
            yield platform
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Corpus:
    """Exports that go to their splits, and the corpus over them."""

    platform: Platform
    folder: Path
    frames: int
    partitions: list[str]

    def add(self, video: int) -> Times:
        """Draw an export and bring it to its splits; the time without the drawing."""
        archive = self.folder / f"video-{video:03d}.zip"
        write_video(archive, video, self.frames)
        partition = inbox.submit(self.platform.store.open().inbox, archive).partition
        archive.unlink()
        add_partition(self.platform.instance, partition)
        self.partitions.append(partition)

        def bring() -> None:
            outcome = run_here(self.platform, "ingest_to_splits", partition, lambda line: None)
            if not outcome.success:
                raise RuntimeError(f"{partition}: {outcome.reasons}")

        return timed(bring)

    def merge(self) -> dict[str, Any]:
        """Make ``corpus/splits`` with its checks; time, and what it says it did."""
        job = self.platform.definitions.resolve_job_def("plan_corpus").get_subset(
            asset_selection={CORPUS.key("splits")}
        )
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

        def merged() -> None:
            result = job.execute_in_process(instance=self.platform.instance, run_config=quiet, raise_on_error=False)
            if not result.success:
                raise RuntimeError(str(failure_reasons(self.platform.instance, result.run_id)))

        spent = timed(merged)
        event = self.platform.instance.get_latest_data_version_record(CORPUS.key("splits"))
        if event is None or event.asset_materialization is None:
            raise RuntimeError("corpus/splits recorded nothing")
        facts = event.asset_materialization.metadata
        found = {name: facts[name].value for name in ("strategy", "videos_read", "frames_moved")}
        return {**found, **spent}

    def table_rows(self) -> int:
        """Frames in the newest version of the corpus."""
        found = current(self.platform.instance, CORPUS.key("splits"), None)
        if found is None:
            raise RuntimeError("there is no corpus")
        return len(read_splits(self.platform.store.open().open(found.ref)))

    def take_away(self, where: Path) -> int:
        """Move all that was published of every video to ``where``; how many folders that were."""
        artifacts = self.folder / "store" / "artifacts"
        found = [place for name in self.partitions for place in artifacts.glob(f"*/{name}")]
        for place in found:
            target = where / place.relative_to(artifacts)
            target.parent.mkdir(parents=True, exist_ok=True)
            place.rename(target)
        return len(found)


def measure(corpus: Corpus, videos: int) -> dict[str, Any]:
    """All figures: of so many videos, then of one more. What was published of the first ones is then in ``aside``."""
    alone = [corpus.add(video) for video in range(videos)]
    first = corpus.merge()
    again = corpus.merge()
    moved = corpus.take_away(corpus.folder / "aside")
    last = corpus.add(videos)
    grown = corpus.merge()
    usual = {kind: mean(each[kind] for each in alone) for kind in last}
    anew = {kind: usual[kind] * (videos + 1) + first[kind] for kind in last}
    added = {kind: last[kind] + grown[kind] for kind in last}
    return {
        "videos": videos,
        "frames_a_video": corpus.frames,
        "frames": corpus.table_rows(),
        "folders_taken_away": moved,
        "video": usual,
        "first": first,
        "again": again,
        "last_video": last,
        "grown": grown,
        "ratio": {
            "one_more_to_all_anew": {kind: added[kind] / anew[kind] for kind in last},
            "one_more_to_one_alone": {kind: added[kind] / usual[kind] for kind in last},
            "merge_to_one_alone": {kind: grown[kind] / usual[kind] for kind in last},
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the table; write the figures as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=42)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, platform_of_its_own(Path(name)) as platform:
        found = measure(Corpus(platform, Path(name), given.frames, []), given.videos)
    print("| step | videos read | frames moved | processor s | clock s |\n| --- | --- | --- | --- | --- |")
    for name, step in (
        (f"one export to its splits, mean of {given.videos}", found["video"]),
        (f"corpus/splits of {given.videos}", found["first"]),
        ("again, nothing new", found["again"]),
        ("one more export to its splits", found["last_video"]),
        (f"corpus/splits of {given.videos + 1}", found["grown"]),
    ):
        cells = [str(step.get("videos_read", "")), str(step.get("frames_moved", ""))]
        print(f"| {name} | {' | '.join(cells)} | {step['cpu_s']:.2f} | {step['wall_s']:.2f} |")
    print()
    for name, ratio in found["ratio"].items():
        print(f"{name}: {ratio['cpu_s']:.3f} (by the clock {ratio['wall_s']:.3f})")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
