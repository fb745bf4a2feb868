"""What the model answers to a few validation samples while it learns: texts, boxes, and how well they overlap."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sam2_assets.instructions.sample import Sample
from sam2_assets.training.asking import ask
from sam2_assets.training.collation import Encoder
from sam2_assets.training.drawing import draw_answer
from sam2_assets.training.loss import supervised_tokens
from sam2_assets.training.measures import Answer, Located, Measures, kind_of, measure, truth_of
from sam2_assets.training.prediction import Predictor

MOST_DRAWN = 8
"""Pictures of one validation: TensorBoard keeps all of them."""
_WIDTH = 640
_JPEG_QUALITY = 85
_COLUMNS = 2


@dataclass(frozen=True)
class Shown:
    """A validation sample and the model's answer to it; texts are in the model's own coordinates."""

    sample: Sample
    question: str
    true_text: str
    truth: tuple[Located, ...]
    answer: Answer
    measures: Measures

    def picture(self) -> Image.Image:
        """The frame with true and claimed boxes, and the texts below it; 640 pixels wide."""
        page = draw_answer(
            self.sample,
            self.question,
            self.measures,
            true_text=self.true_text,
            truth=self.truth,
            answer=self.answer,
        )
        size = (_WIDTH, round(page.height * _WIDTH / page.width))
        return page.resize(size, Image.Resampling.BILINEAR)


class Showing:
    """Asks the model in training. Greedy answers: nothing is drawn from the random state.

    An answer is cut at twice the tokens of the longest true one, as an untrained model never ends.

    Args:
        encoder: of the run.
        samples: what to ask.
        max_tokens: an answer is cut here at the latest.
        batch_size: samples asked at once.
    """

    def __init__(self, encoder: Encoder, samples: Sequence[Sample], *, max_tokens: int, batch_size: int) -> None:
        self._encoder = encoder
        self._samples = samples
        self._batch_size = batch_size
        longest = max(supervised_tokens(encoder.encode(sample).labels[None]) for sample in samples)
        self._max_tokens = min(max_tokens, 2 * longest)

    def __len__(self) -> int:
        """How many samples are asked about."""
        return len(self._samples)

    @property
    def names_boxes(self) -> bool:
        """Whether any of the true answers names a box."""
        return any(truth_of(sample) for sample in self._samples)

    def ask(self, model: Any, after_batch: Callable[[], None]) -> list[Shown]:
        """The answers of the model as it is now.

        Args:
            model: in evaluation mode.
            after_batch: called after every batch; may raise.
        """
        encoder, samples = self._encoder, self._samples
        questions = [encoder.question(sample) for sample in samples]
        answers = ask(
            Predictor(encoder.family, encoder.processor, model),
            "validation",
            lambda index: samples[index].image(),
            questions,
            [(sample.width, sample.height) for sample in samples],
            max_new_tokens=self._max_tokens,
            batch_size=self._batch_size,
            progress=lambda *_: after_batch(),
        )
        kinds = {s.task: kind_of(s.task, [other for other in samples if other.task == s.task]) for s in samples}
        shown = []
        for sample, question, answer in zip(samples, questions, answers, strict=True):
            text, truth = encoder.true_answer(sample), truth_of(sample)
            measures = measure(kinds[sample.task], text, truth, answer)
            shown.append(Shown(sample, question, text, truth, answer, measures))
        return shown


def box_iou(shown: Sequence[Shown]) -> float | None:
    """Mean over all true boxes, 0 where none was answered (the evaluation's "mean box IoU"); None without boxes."""
    overlaps = [overlap for one in shown for overlap in one.measures.ious]
    return sum(overlaps) / len(overlaps) if overlaps else None


def jpeg(picture: Image.Image) -> bytes:
    """The picture as a JPEG: of a photograph, far smaller and faster to write than a PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def sheet(shown: Sequence[Shown]) -> Image.Image:
    """The first answers on one page, two beside each other."""
    pages = [one.picture() for one in shown[:MOST_DRAWN]]
    rows = [pages[start : start + _COLUMNS] for start in range(0, len(pages), _COLUMNS)]
    heights = [max(page.height for page in row) for row in rows]
    made = Image.new("RGB", (_WIDTH * max(map(len, rows)), sum(heights)), (255, 255, 255))
    for index, row in enumerate(rows):
        for column, page in enumerate(row):
            made.paste(page, (column * _WIDTH, sum(heights[:index])))
    return made
