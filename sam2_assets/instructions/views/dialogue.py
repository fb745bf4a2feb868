"""What the views of conversations share: a dialogue as turns of text, and its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam2_assets.coordinates import Convention, ImageGeometry, qwen_picture_size
from sam2_assets.instructions.sample import Sample

Write = Callable[[Sample], tuple[str, str]]
"""A sample's question and answer as a view spells them."""


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    question: str
    answer: str


def turns(dialogue: Sequence[Sample], write: Write, picture: str) -> list[Turn]:
    """The turns of a dialogue; ``picture``, the format's word for the picture, begins the first question only."""
    written = [Turn(*write(sample)) for sample in dialogue]
    return [Turn(picture + written[0].question, written[0].answer), *written[1:]]


def dialogue_id(dialogue: Sequence[Sample]) -> str:
    """``<video>/<frame>/<task>``; several tasks are joined by ``+``."""
    first, *others = dialogue
    return "+".join([first.sample_id, *(sample.task for sample in others)])


def in_convention(convention: Convention) -> Write:
    """Questions and answers as plain text, boxes in one convention; ``RESIZED_PIXELS`` are those of Qwen2.5-VL."""

    def write(sample: Sample) -> tuple[str, str]:
        resized = geometry_of(sample, convention).resized
        return sample.render_question(convention, resized), sample.render_answer(convention, resized)

    return write


def geometry_of(sample: Sample, convention: Convention) -> ImageGeometry:
    """The sizes that a conversion of the sample's boxes needs."""
    frame = (sample.width, sample.height)
    return ImageGeometry(frame, qwen_picture_size(frame) if convention is Convention.RESIZED_PIXELS else None)
