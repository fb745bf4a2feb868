"""``python -m sam2_assets.evaluation JOB.json``: the child process that measures an adapter."""

from __future__ import annotations

import sys
from pathlib import Path

from sam2_assets.evaluation.evaluate import evaluate
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.evaluation.scores import headline
from sam2_assets.training.child import run_child
from sam2_assets.training.progress import Reporter
from sam2_assets.training.stopping import StopRequest


def _measure(file: Path, reporter: Reporter, _stop: StopRequest) -> None:
    job = EvaluationJob.read(file)
    reporter.report("loading")
    scores = evaluate(job, lambda system, done, of: reporter.report("answering", system=system, answered=done, of=of))
    task, name = headline(scores)
    score = scores["tasks"][task]["scores"][name]
    figures = {system: entry["value"] for system, entry in score["systems"].items()}
    reporter.report("finished", task=task, score=score["title"], samples=scores["test"]["samples"], **figures)


def main(arguments: list[str] | None = None) -> int:
    """Run a job; returns the exit code (see ``training.child``)."""
    return run_child("sam2_assets.evaluation", "Measure an adapter on the test split.", _measure, arguments)


if __name__ == "__main__":
    sys.exit(main())
