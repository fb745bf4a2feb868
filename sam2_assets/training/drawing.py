"""Answers drawn on their frames: true boxes, the model's boxes, and both texts below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sam2_assets.coordinates import Box
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.measures import Answer, Located, Measures

_TRUE, _CLAIMED = (0, 158, 115), (213, 94, 0)  # green and vermilion of Okabe & Ito, apart for colour-blind eyes too
_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_WIDTH = 960


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


def draw_answer(
    sample: Sample,
    question: str,
    measures: Measures,
    *,
    true_text: str,
    truth: Sequence[Located],
    answer: Answer,
) -> Image.Image:
    """The frame with true boxes (green) and the model's boxes (orange), and both texts below it; 960 pixels wide."""
    frame = sample.image()
    scale = _WIDTH / frame.width
    frame = frame.resize((_WIDTH, max(1, round(frame.height * scale))), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(frame)
    for located in truth:
        _draw_box(draw, _scaled(located.box, scale), located.label, _TRUE, below=False)
    for located in answer.objects:
        _draw_box(draw, _scaled(located.box, scale), located.label, _CLAIMED, below=True)
    verdict = f"{'right' if measures.correct else 'wrong'}" + (
        f", IoU {measures.mean_iou:.2f}" if measures.true else ""
    )
    lines: list[tuple[str, tuple[int, int, int]]] = [(f"{sample.sample_id}    {verdict}", _INK)]
    for text, colour in (
        (f"asked: {question}", _INK),
        (f"true: {true_text}", _TRUE),
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
