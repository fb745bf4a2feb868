"""Whole training jobs in miniature: a video, its dataset and splits by the real stations, a plan and a job file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam2_assets.instructions import InstructionSettings, build_dataset
from sam2_assets.splitting import Source, SplitSettings, split
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.execution import execute
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.plan import Plan, make_plan
from sam2_assets.training.progress import Reporter
from sam2_assets.training.stopping import StopRequest
from sam2_assets_tests.conftest import COVERAGE
from sam2_assets_tests.instructions.raw_builder import VIDEO_ID, Shot, Thing, build_raw

SECOND = 24


@dataclass(frozen=True)
class Data:
    """Splits and datasets of one video."""

    splits: Path
    datasets: dict[str, Path]


def one_object_shots(count: int) -> list[Shot]:
    """Frames a second apart; one object a frame, of alternating kind, at different places."""
    kinds = ((5, "rocket", (12, 9)), (2, "crate", (8, 12)))
    return [
        Shot(i * SECOND, [Thing(*kinds[i % 2][:2], ((i * 5) % 19, (i * 7) % 19, *kinds[i % 2][2]))])
        for i in range(count)
    ]


def build_data(
    folder: Path,
    shots: list[Shot] | None = None,
    *,
    tasks: tuple[str, ...] = ("main_object",),
    questions: dict[str, str] | None = None,
) -> Data:
    """Dataset and splits of a video: of 10 frames 8 train, 1 validates, 1 tests.

    Args:
        folder: where they are written.
        shots: the frames.
        tasks: of the dataset.
        questions: one wording instead of several, by task.
    """
    raw = build_raw(folder / "raw", shots or one_object_shots(10))
    dataset = folder / "dataset"
    build_dataset(raw, dataset, InstructionSettings(tasks=list(tasks), formats=[], questions=questions or {}))
    source = Source(VIDEO_ID, "clip", dataset, {"path": "instruction_dataset/clip/1", "sha256": "ab" * 32}, {})
    split([source], folder / "splits", SplitSettings(guard_gap_s=0.5))
    return Data(folder / "splits", {VIDEO_ID: dataset})


def small_config(base: Path, **changes: Any) -> TrainingConfig:
    """A configuration that a tiny model learns with in seconds on a CPU; nested sections are given as dictionaries."""
    values: dict[str, Any] = {
        "base_model": str(base),
        "precision": "fp32",
        "batch_size": 4,
        "max_steps": 12,
        "log_every_steps": 2,
        "evaluate_every_steps": 4,
        "validation_answers": 0,
        "optimizer": {"learning_rate": 5e-3},
        "checkpoints": {"every_steps": 3},
        # Dropout draws from the random state at every step, so that a resume that loses it shows.
        "lora": {"rank": 8, "alpha": 16, "dropout": 0.1},
    }
    return TrainingConfig.model_validate(values | changes)


@dataclass(frozen=True)
class Job:
    """A job's file and folders."""

    file: Path
    plan: Plan
    work: Path
    out: Path

    @property
    def plan_file(self) -> Path:
        return self.file.with_name("plan.json")


def build_job(folder: Path, data: Data, config: TrainingConfig) -> Job:
    """Plan and write a job into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = make_plan(data.splits, config, datasets=data.datasets)
    (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    job = TrainingJob(
        plan=folder / "plan.json",
        splits=data.splits,
        datasets=data.datasets,
        work=folder / "work",
        out=folder / "out",
    )
    job.write(folder / "job.json")
    return Job(folder / "job.json", plan, job.work, job.out)


def _command(job: Job) -> list[str]:
    return [sys.executable, "-m", "sam2_assets.training", str(job.file)]


def _environment() -> dict[str, str]:
    # Trainings in the test's own process reach the same lines; measuring coverage would cost a third of the time.
    inherited = {name: value for name, value in os.environ.items() if name != COVERAGE}
    return {**inherited, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


def run_child(job: Job, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the training child to its end."""
    return subprocess.run(
        [*_command(job), *options], env=_environment(), capture_output=True, text=True, timeout=240, check=False
    )


@contextmanager
def started_child(job: Job) -> Iterator[subprocess.Popen[str]]:
    """The running child; killed when the block ends, if it still runs."""
    process = subprocess.Popen(
        _command(job), env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    """Read the child's reports until it has made ``step`` steps."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(json.loads(line).get("step", 0)) >= step:
            return
    raise AssertionError(f"the child ended before step {step}")


def result_files(folder: Path) -> dict[str, bytes]:
    """Every published file whose bytes must be the same for the same plan."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def run_here(job: Job, reporter: Reporter | None = None) -> None:
    """Run the job in this process, which has torch loaded already."""
    execute(TrainingJob.read(job.file), reporter or Reporter(quiet=True), StopRequest())
