"""The gallery: the worst and the best answers of the adapted model, drawn on their frames."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sam2_assets.coordinates import Box
from sam2_assets.evaluation.predictions import Prediction

_TRUE, _CLAIMED = (0, 158, 115), (213, 94, 0)  # green and vermilion of Okabe & Ito, apart for colour-blind eyes too
_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_WIDTH = 960


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


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's built-in font has Latin letters only; the one matplotlib carries knows most alphabets.
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, label: str, colour: tuple[int, int, int], *, below: bool) -> None:
    x, y, w, h = box
    right, bottom = max(x + w, x + 1), max(y + h, y + 1)
    draw.rectangle((x, y, right, bottom), outline=colour, width=3)
    font = _font(16)
    left, top, end, foot = draw.textbbox((0, 0), label, font=font)
    width, height = end - left + 6, foot - top + 6
    limit_x, limit_y = draw.im.size[0] - width, draw.im.size[1] - height
    at_x = min(max(x, 0), max(limit_x, 0))
    at_y = min(max(bottom if below else y - height, 0), max(limit_y, 0))
    draw.rectangle((at_x, at_y, at_x + width, at_y + height), fill=colour)
    draw.text((at_x + 3 - left, at_y + 3 - top), label, fill=_PAPER, font=font)


def draw_case(prediction: Prediction) -> Image.Image:
    """The frame with true boxes (green) and the adapter's boxes (orange), and both texts below it."""
    sample, answer = prediction.sample, prediction.answers["adapter"]
    frame = sample.image()
    scale = _WIDTH / frame.width
    frame = frame.resize((_WIDTH, max(1, round(frame.height * scale))), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(frame)
    for located in prediction.truth:
        _draw_box(draw, _scaled(located.box, scale), located.label, _TRUE, below=False)
    for located in answer.objects:
        _draw_box(draw, _scaled(located.box, scale), located.label, _CLAIMED, below=True)
    measures = prediction.measures["adapter"]
    verdict = f"{'right' if measures.correct else 'wrong'}" + (
        f", IoU {measures.mean_iou:.2f}" if measures.true else ""
    )
    lines: list[tuple[str, tuple[int, int, int]]] = [(f"{sample.sample_id}    {verdict}", _INK)]
    for text, colour in (
        (f"asked: {sample.question}", _INK),
        (f"true: {prediction.truth_text}", _TRUE),
        (f"answered: {answer.text}", _CLAIMED),
    ):
        lines += [(part, colour) for part in textwrap.wrap(" / ".join(text.splitlines()), 96)[:4]]
    page = Image.new("RGB", (_WIDTH, frame.height + 16 + 24 * len(lines)), _PAPER)
    page.paste(frame, (0, 0))
    writing = ImageDraw.Draw(page)
    for index, (text, colour) in enumerate(lines):
        writing.text((10, frame.height + 8 + 24 * index), text, fill=colour, font=_font(17))
    return page


def _scaled(box: Box, scale: float) -> Box:
    return box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale


def write_gallery(cases: Sequence[Case], out: Path) -> list[Path]:
    """Draw the cases into the folder ``out`` as ``<name>.png``; the same cases give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for case in cases:
        path = out / f"{case.name}.png"
        draw_case(case.prediction).save(path, format="PNG")
        paths.append(path)
    return paths
