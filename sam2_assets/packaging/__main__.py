"""``python -m sam2_assets.packaging JOB.json``: the child process that writes a build context and proves it serves."""

from __future__ import annotations

import sys
from pathlib import Path

from sam2_assets.packaging.deploy import deploy
from sam2_assets.packaging.job import DeploymentJob
from sam2_assets.training.child import run_child
from sam2_assets.training.progress import Reporter
from sam2_assets.training.stopping import StopRequest


def _deploy(file: Path, reporter: Reporter, _stop: StopRequest) -> None:
    job = DeploymentJob.read(file)
    reporter.report("starting the server" if job.image is None else "building the image")
    found = deploy(job, lambda asked, of: reporter.report("asking", asked=asked, of=of), log=_to_stderr)
    reporter.report(
        "finished",
        questions=found["questions"],
        agreeing=found["agreeing"],
        startup_s=found["startup_s"],
        median_latency_ms=found["latency_ms"]["median"],
    )


def _to_stderr(text: str) -> None:
    """The engine's log, into the step's compute logs: it is there, too, when nothing is published."""
    sys.stderr.write(text)
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run a job; returns the exit code (see ``training.child``)."""
    purpose = "Write an image's build context, start its server and compare its answers with the evaluation's."
    return run_child("sam2_assets.packaging", purpose, _deploy, arguments)


if __name__ == "__main__":
    sys.exit(main())
