"""One deployment from start to end: write the build context, build and start it, ask it, record the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sam2_assets.errors import PackagingError
from sam2_assets.evaluation.predictions import read_predictions
from sam2_assets.instructions.reading import load_samples
from sam2_assets.packaging.context import write_context
from sam2_assets.packaging.engine import Engine
from sam2_assets.packaging.image import build_and_verify
from sam2_assets.packaging.job import BUILT_FILE, IMAGE_FILE, LOG_FILE, VERIFICATION_FILE, DeploymentJob
from sam2_assets.packaging.serving import Serving, check_adapter, resolve_base
from sam2_assets.packaging.verification import choose_questions, verify_context
from sam2_assets.training.plan import PLAN_FILE, Plan

CONTEXT_FOLDER: Final = "context"


def deploy(
    job: DeploymentJob, progress: Callable[[int, int], None], log: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Write ``context/``, ``image.json`` (the same bytes for the same inputs) and ``MEASURED_FILES``.

    Where the job names an image and a Docker Engine answers, the image is built, and a container of it is asked; it
    gets its names only after that, so that a bad one takes no name from a good one. Else the context's server is
    started as a process.

    Args:
        job: what to package.
        progress: called with (asked, of) while the server is queried.
        log: takes the engine's words while it builds.

    Returns:
        The contents of ``verification.json``.

    Raises:
        PackagingError: see ``resolve_base``, ``check_adapter``, ``write_context``, ``verify``, ``build_and_verify``.
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
    engine, reason = _engine(job)
    if engine is None or job.image is None:
        verification = verify_context(context.folder, base, questions, job.settings, progress)
        built: dict[str, Any] = {"built": False, "reason": reason}
    else:
        with (job.out / LOG_FILE).open("w", encoding="utf-8") as file:

            def keep(text: str) -> None:
                file.write(text)
                log(text)

            verification, built = build_and_verify(
                engine, context, job.image, base, questions, job.settings, progress, keep
            )
    image = {
        "context": {"sha256": context.sha256, "files": context.files},
        "model": serving.name,
        "plan_hash": serving.plan_hash,
        "base": serving.base.model_dump(mode="json"),
        "base_included": job.settings.include_base,
        "base_image": job.settings.base_image,
    }
    _write(job.out / IMAGE_FILE, image)
    _write(job.out / VERIFICATION_FILE, {"served_by": "container" if built["built"] else "process", **verification})
    _write(job.out / BUILT_FILE, built)
    return verification


def _engine(job: DeploymentJob) -> tuple[Engine | None, str]:
    """An engine if the job wants an image and one answers; else why the context is all there is."""
    if job.image is None:
        return None, "deployment.build asks for no image here"
    try:
        return Engine(), ""
    except PackagingError as error:
        if job.settings.without_engine == "fail":
            raise
        return None, str(error)


def _planned_base(plan: Path | None) -> str | None:
    if plan is None:
        return None
    return Plan.read(plan / PLAN_FILE if plan.is_dir() else plan).config.base_model


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
