"""From answers to predictions and scores: the part of an evaluation that needs no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sam2_assets.evaluation.baseline import MajorityAnswer, learn_majority
from sam2_assets.evaluation.control import Control, ControlKind
from sam2_assets.evaluation.predictions import Prediction
from sam2_assets.evaluation.scores import SYSTEMS, TEMPORAL_BLOCK, TaskMeasures, score_tasks
from sam2_assets.evaluation.settings import EvaluationSettings
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.measures import Answer, Kind, kind_of, measure, truth_of

VERSION: Final = 1
_CONTROL_MEANING: Final = {
    ControlKind.ANOTHER_VIDEO: "the fine-tuned model, each question asked with a picture from another video instead "
    "of its own; what it scores here it knows without looking",
    ControlKind.BLANK: "the fine-tuned model, each question asked with a blank grey picture (the test split holds a "
    "single video, so no other video's picture could be shown); what it scores here it knows without looking",
}


def majorities(test: Sequence[Sample], train: Sequence[Sample]) -> dict[str, MajorityAnswer]:
    """The majority baseline of every task of the test split.

    Raises:
        DatasetError: ``no_training_samples``.
    """
    return {task: learn_majority(task, train) for task in sorted({sample.task for sample in test})}


def predictions_of(
    test: Sequence[Sample],
    answers: Mapping[str, Sequence[Answer]],
    control: Control,
    majority: Mapping[str, MajorityAnswer],
    truth_text: Callable[[Sample], str],
) -> list[Prediction]:
    """Put truth, answers and measures of every test sample together.

    Args:
        test: the measured samples.
        answers: for ``adapter``, ``base`` and ``control`` one answer a sample.
        control: what the control showed.
        majority: by task.
        truth_text: how the model family writes a sample's true answer.
    """
    kinds = _kinds(test)
    predictions = []
    for index, sample in enumerate(test):
        own = {system: answers[system][index] for system in SYSTEMS if system != "majority"}
        own["majority"] = majority[sample.task].answer((sample.width, sample.height))
        text, truth = truth_text(sample), truth_of(sample)
        measures = {system: measure(kinds[sample.task], text, truth, own[system]) for system in SYSTEMS}
        predictions.append(Prediction(sample, text, truth, control.shown(test, index), own, measures))
    return predictions


def scores_of(
    predictions: Sequence[Prediction],
    majority: Mapping[str, MajorityAnswer],
    control: Control,
    available: int,
    settings: EvaluationSettings,
    provenance: Mapping[str, Any],
    unit: str = TEMPORAL_BLOCK,
) -> dict[str, Any]:
    """The contents of ``scores.json``.

    Args:
        predictions: of the measured samples.
        majority: by task.
        control: what the control showed.
        available: test samples there are, measured or not.
        settings: how many draws, and their seed.
        provenance: what was measured, JSON-ready; copied as it is.
        unit: what a block of the test split is.
    """
    kinds = _kinds([p.sample for p in predictions])
    tasks: dict[str, TaskMeasures] = {}
    for task, kind in kinds.items():
        own = [p for p in predictions if p.sample.task == task]
        tasks[task] = TaskMeasures(
            kind=kind,
            blocks=[(p.sample.video_id, p.sample.block) for p in own],
            truths=[_truth_key(kind, p) for p in own],
            measures={system: [p.measures[system] for p in own] for system in SYSTEMS},
        )
    scored = score_tasks(tasks, draws=settings.draws, seed=settings.seed, unit=unit)
    for task, found in scored["tasks"].items():
        learned = majority[task]
        found["majority"] = {"text": learned.text, "share": round(learned.share, 6), "counted": learned.counted}
        if learned.box is not None:
            found["majority"]["box_fractions"] = [round(value, 6) for value in learned.box]
    samples = [p.sample for p in predictions]
    return {
        "version": VERSION,
        "provenance": dict(provenance),
        "test": {
            "samples": len(samples),
            "frames": len({(s.video_id, s.frame_index) for s in samples}),
            "videos": len({s.video_id for s in samples}),
            "blocks": len({(s.video_id, s.block) for s in samples}),
            "left_out": available - len(samples),
        },
        "systems": {
            "adapter": "the base model with the trained adapter, each question asked with its own picture",
            "base": "the same model without the adapter, asked the same",
            "control": _CONTROL_MEANING[control.kind],
            "majority": "no model: always the most frequent label of the training answers, in the mean training box",
        },
        "control": str(control.kind),
        **scored,
    }


def _kinds(samples: Sequence[Sample]) -> dict[str, Kind]:
    tasks = sorted({sample.task for sample in samples})
    return {task: kind_of(task, [sample for sample in samples if sample.task == task]) for task in tasks}


def _truth_key(kind: Kind, prediction: Prediction) -> str:
    if kind is Kind.TEXT:
        return prediction.truth_text
    return ", ".join(sorted(located.label for located in prediction.truth))
