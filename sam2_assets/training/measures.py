"""What is compared: the truth of a sample, a system's answer to it, and how the two are matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sam2_assets.coordinates import Box, iou
from sam2_assets.instructions.sample import Sample

ONE_OBJECT_TASKS = frozenset({"main_object"})
MATCH_IOU = 0.5


class Kind(StrEnum):
    """What an answer of a task consists of, which decides its scores."""

    ONE_OBJECT = "one_object"
    """One label with one box."""
    DETECTION = "detection"
    """Any number of labels with boxes."""
    TEXT = "text"
    """Words without boxes."""


@dataclass(frozen=True)
class Located:
    """A label and its box ``(x, y, w, h)`` in frame pixels."""

    label: str
    box: Box


@dataclass(frozen=True)
class Answer:
    """What a system answered.

    Args:
        text: as it came.
        objects: labels with boxes that could be read from it, in its order.
        label: the first label it names, with or without a readable box; ``None`` if it names none.
    """

    text: str
    objects: tuple[Located, ...] = ()
    label: str | None = None


@dataclass(frozen=True)
class Measures:
    """One answer against its truth.

    Args:
        correct: one object: the first label is the true one; detection: every true object is found (IoU >= 0.5 and
            the same label) and nothing else is claimed; text: the same words.
        ious: one value per true object; 0 where nothing was matched to it.
        found: true objects matched with IoU >= 0.5 and the same label.
        claimed: objects the answer names (at most the first one counts for one object).
        true: objects the truth names.
        unreadable: the truth names an object, and no box could be read from the answer.
    """

    correct: bool
    ious: tuple[float, ...]
    found: int
    claimed: int
    true: int
    unreadable: bool

    @property
    def mean_iou(self) -> float:
        """Mean of ``ious``; 0 if the truth names no object."""
        return sum(self.ious) / len(self.ious) if self.ious else 0.0


def kind_of(task: str, samples: Sequence[Sample]) -> Kind:
    """The kind of a task, from its name and whether its answers name boxes."""
    if task in ONE_OBJECT_TASKS:
        return Kind.ONE_OBJECT
    return Kind.DETECTION if any(sample.answered_objects() for sample in samples) else Kind.TEXT


def truth_of(sample: Sample) -> tuple[Located, ...]:
    """The objects whose boxes the true answer names, in its order."""
    return tuple(Located(o.label, o.box) for o in sample.answered_objects())


def normalised(text: str) -> str:
    """Text as compared: case folded, runs of white space as one space, none at the ends."""
    return " ".join(text.casefold().split())


def same_label(a: str, b: str) -> bool:
    """Whether two labels are the same word for the scores (see :func:`normalised`)."""
    return normalised(a) == normalised(b)


def match_greedily(
    truth: Sequence[Located], claimed: Sequence[Located], *, least: float
) -> list[tuple[int, int, float]]:
    """Pairs ``(index in truth, index in claimed, IoU)`` of equal label, best IoU first, each object used once.

    Only pairs with an IoU above 0 and of at least ``least`` are made; equal IoUs go by index.
    """
    pairs = sorted(
        (
            (-iou(t.box, c.box), i, j)
            for i, t in enumerate(truth)
            for j, c in enumerate(claimed)
            if same_label(t.label, c.label)
        ),
    )
    matched: list[tuple[int, int, float]] = []
    used_truth: set[int] = set()
    used_claimed: set[int] = set()
    for negative, i, j in pairs:
        if -negative <= 0 or -negative < least or i in used_truth or j in used_claimed:
            continue
        used_truth.add(i)
        used_claimed.add(j)
        matched.append((i, j, -negative))
    return matched


def measure(kind: Kind, truth_text: str, truth: Sequence[Located], answer: Answer) -> Measures:
    """Compare one answer with its truth.

    For one object, label and box are judged apart: the IoU is that of the first box whatever its label says.
    """
    if kind is Kind.TEXT:
        return Measures(normalised(truth_text) == normalised(answer.text), (), 0, 0, 0, False)
    unreadable = bool(truth) and not answer.objects
    if kind is Kind.ONE_OBJECT:
        first = answer.objects[:1]
        overlap = iou(truth[0].box, first[0].box) if first else 0.0
        correct = answer.label is not None and same_label(truth[0].label, answer.label)
        return Measures(correct, (overlap,), int(correct and overlap >= MATCH_IOU), len(first), 1, unreadable)
    overlaps = [0.0] * len(truth)
    for index, _, overlap in match_greedily(truth, answer.objects, least=0.0):
        overlaps[index] = overlap
    found = len(match_greedily(truth, answer.objects, least=MATCH_IOU))
    correct = found == len(truth) == len(answer.objects)
    return Measures(correct, tuple(overlaps), found, len(answer.objects), len(truth), unreadable)
