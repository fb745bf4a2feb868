"""Asking a model questions about pictures, and reading labels and boxes from what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PIL.Image import Image

from sam2_assets.coordinates import Box
from sam2_assets.training.answers import parse_answer
from sam2_assets.training.measures import Answer, Located

Progress = Callable[[str, int, int], None]
"""Called with a system, how many questions it has answered, and of how many."""


class Answerer(Protocol):
    """What asking needs of ``training.prediction.Predictor``."""

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], *, max_new_tokens: int, batch_size: int = 8
    ) -> list[str]:
        """One text a picture and question."""

    def boxes(self, text: str, frame_size: tuple[int, int]) -> list[tuple[str, Box]]:
        """Labels and boxes in frame pixels, read from an answer about a frame of ``(width, height)`` pixels."""


def ask(
    model: Answerer,
    system: str,
    pictures: Callable[[int], Image],
    questions: Sequence[str],
    frames: Sequence[tuple[int, int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress,
) -> list[Answer]:
    """Ask every question, a batch in memory at a time.

    Args:
        model: who answers.
        system: its name, for ``progress``.
        pictures: index of a question to the picture shown with it.
        questions: what is asked.
        frames: ``(width, height)`` of the picture each question is about; boxes are read in its pixels.
        max_new_tokens: where an answer is cut.
        batch_size: questions at once.
        progress: called after every batch.
    """
    answers: list[Answer] = []
    for start in range(0, len(questions), batch_size):
        batch = range(start, min(start + batch_size, len(questions)))
        texts = model.answer(
            [pictures(index) for index in batch],
            [questions[index] for index in batch],
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
        )
        for index, text in zip(batch, texts, strict=True):
            found = model.boxes(text, frames[index])
            named = parse_answer(text)
            objects = tuple(Located(label, box) for label, box in found)
            answers.append(Answer(text, objects, named[0].label if named else None))
        progress(system, batch.stop, len(questions))
    return answers
