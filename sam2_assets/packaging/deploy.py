"""One deployment from start to end: write the build context, start it, ask it, record the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sam2_assets.evaluation.predictions import read_predictions
from sam2_assets.instructions.reading import load_samples
from sam2_assets.packaging.context import write_context
from sam2_assets.packaging.job import DeploymentJob
from sam2_assets.packaging.serving import Serving, check_adapter, resolve_base
from sam2_assets.packaging.verification import choose_questions, verify_context
from sam2_assets.training.plan import PLAN_FILE, Plan

CONTEXT_FOLDER: Final = "context"
IMAGE_FILE: Final = "image.json"
VERIFICATION_FILE: Final = "verification.json"


def deploy(job: DeploymentJob, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Write ``context/``, ``image.json`` (the same bytes for the same inputs) and ``verification.json`` (timings).

    Args:
        job: what to package.
        progress: called with (asked, of) while the server is queried.

    Returns:
        The contents of ``verification.json``.

    Raises:
        PackagingError: see ``resolve_base``, ``check_adapter``, ``write_context``, ``verify_context``.
        TrainingError: about plan or base model.
        DatasetError: about predictions, splits or datasets.
    """
    serving = Serving.read(job.repository)
    check_adapter(job.repository, serving)
    base = resolve_base(serving, job.base_model or _planned_base(job.plan))
    rows = read_predictions(job.evaluation)
    tasks = sorted({row["task"] for row in rows})
    questions = choose_questions(
        load_samples(job.splits, job.datasets, "test", tasks=tasks), rows, job.settings.pictures
    )
    context = write_context(job.repository, base, job.out / CONTEXT_FOLDER, job.settings)
    verification = verify_context(context.folder, base, questions, job.settings, progress)
    image = {
        "context": {"sha256": context.sha256, "files": context.files},
        "model": serving.name,
        "plan_hash": serving.plan_hash,
        "base": serving.base.model_dump(mode="json"),
        "base_included": job.settings.include_base,
        "base_image": job.settings.base_image,
    }
    _write(job.out / IMAGE_FILE, image)
    _write(job.out / VERIFICATION_FILE, verification)
    return verification


def _planned_base(plan: Path | None) -> str | None:
    if plan is None:
        return None
    return Plan.read(plan / PLAN_FILE if plan.is_dir() else plan).config.base_model


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
