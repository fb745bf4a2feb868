"""``python -m sam2_assets.training JOB.json``: the child process that trains what a plan says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sam2_assets.training.child import run_child
from sam2_assets.training.execution import execute
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.progress import Reporter
from sam2_assets.training.stopping import StopRequest


def _train(file: Path, reporter: Reporter, stop: StopRequest) -> None:
    # cuBLAS is deterministic only with a fixed workspace.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    execute(TrainingJob.read(file), reporter, stop)


def main(arguments: list[str] | None = None) -> int:
    """Run a job; returns the exit code (see ``child``)."""
    return run_child("sam2_assets.training", "Train what a plan says.", _train, arguments)


if __name__ == "__main__":
    sys.exit(main())
