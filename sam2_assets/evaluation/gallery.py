"""The gallery: the worst and the best answers of the adapted model, drawn on their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sam2_assets.evaluation.predictions import Prediction
from sam2_assets.training.drawing import draw_answer


@dataclass(frozen=True)
class Case:
    """A chosen prediction and its rank, e.g. ``worst_01``."""

    name: str
    prediction: Prediction


def _goodness(prediction: Prediction) -> float:
    measures = prediction.measures["adapter"]
    return (measures.mean_iou if measures.true else float(measures.correct)) + float(measures.correct)


def choose_cases(predictions: Sequence[Prediction], count: int) -> list[Case]:
    """Up to ``count`` worst and ``count`` best answers of the adapter, the extremes first, none twice.

    Ranked by mean IoU (a task without boxes: 1 or 0) plus 1 for a right answer, then by sample id. Each temporal
    block gives one case of a side before any gives a second, because neighbouring frames fail alike.
    """
    ranked = sorted(predictions, key=lambda p: (_goodness(p), p.sample.sample_id))
    count = min(count, (len(ranked) + 1) // 2)
    worst = _spread(ranked, count)
    taken = {p.sample.sample_id for p in worst}
    best = _spread([p for p in reversed(ranked) if p.sample.sample_id not in taken], count)
    cases = [Case(f"worst_{index:02d}", p) for index, p in enumerate(worst, 1)]
    return cases + [Case(f"best_{index:02d}", p) for index, p in enumerate(best, 1)]


def _spread(ranked: Sequence[Prediction], count: int) -> list[Prediction]:
    seen: dict[tuple[str, str], int] = {}
    rounds = []
    for position, prediction in enumerate(ranked):
        block = (prediction.sample.video_id, prediction.sample.block)
        seen[block] = seen.get(block, -1) + 1
        rounds.append((seen[block], position))
    return [ranked[position] for _, position in sorted(rounds)[:count]]


def draw_case(prediction: Prediction) -> Image.Image:
    """The frame with true boxes (green) and the adapter's boxes (orange), and both texts below it."""
    return draw_answer(
        prediction.sample,
        prediction.sample.question,
        prediction.measures["adapter"],
        true_text=prediction.truth_text,
        truth=prediction.truth,
        answer=prediction.answers["adapter"],
    )


def write_gallery(cases: Sequence[Case], out: Path) -> list[Path]:
    """Draw the cases into the folder ``out`` as ``<name>.png``; the same cases give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for case in cases:
        path = out / f"{case.name}.png"
        draw_case(case.prediction).save(path, format="PNG")
        paths.append(path)
    return paths
