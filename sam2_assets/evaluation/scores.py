"""Scores of every system, side by side, with intervals: the contents of ``scores.json``.

A score is a ratio of sums over samples, so that it can be recomputed for any choice of blocks. Differences
between systems are taken inside each bootstrap draw (paired), never between two intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sam2_assets.evaluation.bootstrap import LEAST_BLOCKS, LEVEL, block_sums, interval, ratio, resampled_sums
from sam2_assets.training.measures import MATCH_IOU, Kind, Measures, normalised

SYSTEMS: Final = ("adapter", "base", "control", "majority")
"""The adapted model, the model without adapter, the adapted model on pictures that cannot answer, no model at all."""
TEMPORAL_BLOCK: Final = "temporal block"
WHOLE_VIDEO: Final = "video"
"""What the intervals draw: a stretch of a video, or, where whole videos were held back, the video."""
_DIGITS: Final = 6


@dataclass(frozen=True)
class Score:
    """One score: what it is, and the two columns whose sums it divides."""

    name: str
    title: str
    meaning: str
    numerator: Callable[[Measures], float]
    denominator: Callable[[Measures], float]
    higher_is_better: bool = True


def _one(measures: Measures) -> float:
    return 1.0


_BOX_IOU = Score(
    "box_iou",
    "mean box IoU",
    "intersection over union with the true box, 0 where no box could be read",
    lambda m: sum(m.ious),
    lambda m: m.true,
)
_UNREADABLE = Score(
    "unreadable",
    "unreadable answers",
    "share of answers from which no box could be read although the truth names one",
    lambda m: float(m.unreadable),
    _one,
    higher_is_better=False,
)
SCORES: Final[Mapping[Kind, tuple[Score, ...]]] = {
    Kind.ONE_OBJECT: (
        Score(
            "label_accuracy",
            "label accuracy",
            "share of answers whose first label is the true one, case and white space aside, whatever its box",
            lambda m: float(m.correct),
            _one,
        ),
        _BOX_IOU,
        Score(
            "iou_at_50",
            "boxes with IoU ≥ 0.5",
            "share of true boxes that the answer's box overlaps with an IoU of at least 0.5, whatever the label",
            lambda m: float(sum(v >= MATCH_IOU for v in m.ious)),
            lambda m: m.true,
        ),
        _UNREADABLE,
    ),
    Kind.DETECTION: (
        Score(
            "f1",
            "detection F1",
            "harmonic mean of precision and recall; found: the same label and an IoU of at least 0.5, counted over "
            "all objects of all frames",
            lambda m: 2.0 * m.found,
            lambda m: m.claimed + m.true,
        ),
        Score(
            "precision", "precision", "share of claimed objects that are true", lambda m: m.found, lambda m: m.claimed
        ),
        Score("recall", "recall", "share of true objects that were found", lambda m: m.found, lambda m: m.true),
        _BOX_IOU,
        _UNREADABLE,
    ),
    Kind.TEXT: (
        Score(
            "answer_accuracy",
            "answer accuracy",
            "share of answers with exactly the true words, case and white space aside",
            lambda m: float(m.correct),
            _one,
        ),
    ),
}


@dataclass(frozen=True)
class TaskMeasures:
    """The measured test samples of one task.

    Args:
        kind: what its answers consist of.
        blocks: the block of each sample that is drawn as one, unique over videos: a temporal block, or a whole video.
        truths: what the share of the most frequent answer is counted over: the true label (detection: all labels of
            the frame, as one text; text: the true answer).
        measures: for each of ``SYSTEMS`` one entry a sample.
    """

    kind: Kind
    blocks: Sequence[tuple[str, str]]
    truths: Sequence[str]
    measures: Mapping[str, Sequence[Measures]]


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0


def _entry(value: float, draws: NDArray[np.float64] | None) -> dict[str, float | None]:
    if draws is None:
        return {"value": _rounded(value), "low": None, "high": None}
    low, high = interval(draws)
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _difference(value: float, draws: NDArray[np.float64] | None) -> dict[str, Any]:
    entry: dict[str, Any] = _entry(value, draws)
    entry["excludes_zero"] = draws is not None and (entry["low"] > 0 or entry["high"] < 0)
    return entry


def _answer_share(truths: Sequence[str]) -> dict[str, Any]:
    counts = Counter(normalised(truth) for truth in truths)
    key = min(counts, key=lambda k: (-counts[k], k))
    return {"answer": key, "share": _rounded(counts[key] / len(truths))}


def score_task(task: TaskMeasures, *, draws: int, seed: int) -> dict[str, Any]:
    """Scores, differences and intervals of one task.

    Returns:
        ``{"kind", "samples", "blocks", "most_frequent_answer": {"answer", "share"}, "scores": {name: {"title",
        "meaning", "higher_is_better", "systems": {system: {"value", "low", "high"}}, "adapter_minus": {system:
        {"value", "low", "high", "excludes_zero"}}}}}``. ``low`` and ``high`` bound the central 95 % of the draws;
        they are ``null`` where the test split has fewer than ``LEAST_BLOCKS`` blocks.
    """
    scores = SCORES[task.kind]
    table = np.array(
        [
            [
                part(task.measures[system][row])
                for system in SYSTEMS
                for score in scores
                for part in (score.numerator, score.denominator)
            ]
            for row in range(len(task.blocks))
        ],
        dtype=np.float64,
    )
    sums = block_sums(table, task.blocks)
    totals = sums.sum(axis=0, keepdims=True)
    drawn = resampled_sums(sums, draws, seed) if len(sums) >= LEAST_BLOCKS else None

    def values(system: str, index: int, source: NDArray[np.float64]) -> NDArray[np.float64]:
        column = 2 * (SYSTEMS.index(system) * len(scores) + index)
        return ratio(source[:, column], source[:, column + 1])

    result: dict[str, Any] = {}
    for index, score in enumerate(scores):
        point = {system: float(values(system, index, totals)[0]) for system in SYSTEMS}
        spread = {system: None if drawn is None else values(system, index, drawn) for system in SYSTEMS}
        own = spread["adapter"]
        differences = {}
        for system in SYSTEMS[1:]:
            other = spread[system]
            paired = None if own is None or other is None else own - other
            differences[system] = _difference(point["adapter"] - point[system], paired)
        result[score.name] = {
            "title": score.title,
            "meaning": score.meaning,
            "higher_is_better": score.higher_is_better,
            "systems": {system: _entry(point[system], spread[system]) for system in SYSTEMS},
            "adapter_minus": differences,
        }
    return {
        "kind": str(task.kind),
        "samples": len(task.blocks),
        "blocks": len(sums),
        "most_frequent_answer": _answer_share(task.truths),
        "scores": result,
    }


def score_tasks(
    tasks: Mapping[str, TaskMeasures], *, draws: int, seed: int, unit: str = TEMPORAL_BLOCK
) -> dict[str, Any]:
    """:func:`score_task` of every task, by name, and how the intervals came about; ``unit``: what a block is."""
    return {
        "bootstrap": {
            "unit": unit,
            "draws": draws,
            "level": LEVEL,
            "seed": seed,
            "kind": "percentile",
            "least_blocks": LEAST_BLOCKS,
        },
        "tasks": {name: score_task(tasks[name], draws=draws, seed=seed) for name in sorted(tasks)},
    }


def headline(scores: Mapping[str, Any]) -> tuple[str, str]:
    """The task and the score that stand for a whole evaluation: ``main_object`` if asked, else the first task's."""
    tasks = scores["tasks"]
    task = "main_object" if "main_object" in tasks else min(tasks)
    return task, next(iter(tasks[task]["scores"]))
