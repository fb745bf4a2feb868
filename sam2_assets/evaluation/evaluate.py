"""One evaluation from start to end: load the models, ask every question, score, write. Runs in the child process."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sam2_assets.errors import TrainingError
from sam2_assets.evaluation.control import choose_control
from sam2_assets.evaluation.gallery import choose_cases, write_gallery
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.evaluation.measuring import majorities, predictions_of, scores_of
from sam2_assets.evaluation.predictions import write_predictions
from sam2_assets.evaluation.report import render_report
from sam2_assets.evaluation.samples import interval_unit, load_test, load_train_answers
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.asking import Answerer, Progress, ask
from sam2_assets.training.families import family_by_name
from sam2_assets.training.identity import identify
from sam2_assets.training.inventory import splits_sha256
from sam2_assets.training.measures import Answer
from sam2_assets.training.memory import is_out_of_memory, of_other_programs
from sam2_assets.training.plan import Plan

SCORES_FILE = "scores.json"
REPORT_FILE = "report.md"
GALLERY_FOLDER = "gallery"


def evaluate(job: EvaluationJob, progress: Progress) -> dict[str, Any]:
    """Measure an adapter on the test split and write ``scores.json``, ``predictions.parquet``, ``report.md``, gallery.

    The adapted model answers first (own pictures, then the control's), then the base model without adapter; only one
    of them is in memory at a time.

    Args:
        job: what to measure and where to write.
        progress: called as ``(system, answered, of)``.

    Returns:
        The contents of ``scores.json``.

    Raises:
        TrainingError: ``plan_missing``, ``plan_invalid``, ``base_model_changed``, ``splits_changed``,
            ``out_of_memory``, or what loading the models raises.
        DatasetError: ``no_test_samples``, ``no_training_samples``, or what reading the data raises.
    """
    try:
        return _evaluate(job, progress)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(error, job.settings.batch_size) from error


def _out_of_memory(error: BaseException, batch_size: int) -> TrainingError:
    card = "take a card with more memory"
    smaller = f"Set it to {batch_size // 2}, or {card}" if batch_size > 1 else card.capitalize()
    said = (str(error) or type(error).__name__).splitlines()[0]
    return TrainingError(
        "out_of_memory",
        f"the memory is full ({said}){of_other_programs()}",
        field="evaluation.batch_size",
        value=batch_size,
        remedy=f"{smaller}; then evaluate again. The trained adapter is kept.",
    )


def _evaluate(job: EvaluationJob, progress: Progress) -> dict[str, Any]:
    plan = Plan.read(job.plan)
    _check_inputs(plan, job)
    config, settings = plan.config, job.settings
    found, available = load_test(job.splits, job.datasets, config.tasks, settings.max_samples)
    in_model = _writer(plan)
    # From here on a question is what the model is asked, and what the server will be asked when it is verified.
    test = [replace(sample, question=in_model(sample).question) for sample in found]
    majority = majorities(test, load_train_answers(job.splits, job.datasets, config.tasks))
    control = choose_control(test, settings.seed)

    def asked(model: Answerer, system: str) -> list[Answer]:
        return ask(
            model,
            system,
            (lambda index: control.picture(test, index)) if system == "control" else (lambda i: test[i].image()),
            [sample.question for sample in test],
            [(sample.width, sample.height) for sample in test],
            max_new_tokens=config.max_answer_tokens,
            # Rounding depends on the shape of a batch: bf16 was seen to move the last digit of a box.
            batch_size=1 if system == "adapter" and settings.as_served else settings.batch_size,
            progress=progress,
        )

    adapted = _load(plan, job.adapter / "adapter")
    answers = {"adapter": asked(adapted, "adapter"), "control": asked(adapted, "control")}
    del adapted
    gc.collect()
    answers["base"] = asked(_load(plan, None), "base")

    predictions = predictions_of(test, answers, control, majority, lambda sample: in_model(sample).answer)
    unit = interval_unit(job.splits)
    scores = scores_of(predictions, majority, control, available, settings, _provenance(plan), unit)
    job.out.mkdir(parents=True, exist_ok=True)
    write_predictions(predictions, job.out)
    cases = choose_cases(predictions, settings.gallery_cases)
    write_gallery(cases, job.out / GALLERY_FOLDER)
    (job.out / REPORT_FILE).write_text(render_report(scores, cases), encoding="utf-8")
    text = json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False)
    (job.out / SCORES_FILE).write_text(text + "\n", encoding="utf-8")
    return scores


def _check_inputs(plan: Plan, job: EvaluationJob) -> None:
    config = plan.config
    found = identify(config.base_model, plan.base.commit or config.revision, plan.base.family)
    if found.fingerprint != plan.base.fingerprint:
        raise TrainingError(
            "base_model_changed",
            "the base model is not the one the plan was made for",
            file=str(job.plan),
            field="base.fingerprint",
            value=found.fingerprint,
            remedy="Put the base model of the plan back, or plan and train again.",
        )
    digest = splits_sha256(job.splits)
    if digest != plan.data.splits_sha256:
        raise TrainingError(
            "splits_changed",
            "these are not the splits the plan was made for: trained frames could be among the test frames",
            file=str(job.splits),
            field="sha256",
            value=digest,
            remedy="Give the splits that the plan names.",
        )


def _load(plan: Plan, adapter: Path | None) -> Answerer:
    from sam2_assets.training.prediction import Predictor

    config = plan.config
    revision = plan.base.commit or config.revision
    model: Answerer = Predictor.load(config.base_model, adapter, revision=revision, precision=config.precision)
    return model


@dataclass(frozen=True)
class _Written:
    """A sample's question and true answer as the model family writes them."""

    question: str
    answer: str


def _writer(plan: Plan) -> Callable[[Sample], _Written]:
    family = family_by_name(plan.base.family)
    processor = family.load_processor(plan.config.base_model, plan.base.commit or plan.config.revision)

    def write(sample: Sample) -> _Written:
        resized = family.resized(processor, (sample.width, sample.height))
        return _Written(
            sample.render_question(family.coordinates, resized), sample.render_answer(family.coordinates, resized)
        )

    return write


def _provenance(plan: Plan) -> dict[str, Any]:
    return {
        "plan_hash": plan.plan_hash,
        "recipe": plan.recipe,
        "base": plan.base.model_dump(mode="json"),
        "splits_sha256": plan.data.splits_sha256,
        "dataset_sha256": dict(sorted(plan.data.dataset_sha256.items())),
        "precision": plan.config.precision,
        "max_answer_tokens": plan.config.max_answer_tokens,
    }
