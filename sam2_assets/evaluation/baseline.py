"""The majority baseline: the answer one would give without any model, learned from the training answers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sam2_assets.coordinates import Box
from sam2_assets.errors import DatasetError
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.measures import Answer, Located, normalised


def most_frequent(values: Iterable[str]) -> tuple[str, int]:
    """The most frequent text and how often it occurs, comparing as the scores do; of equals the first by alphabet.

    The spelling returned is the alphabetically first of those that count as the same.
    """
    spellings: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for value in values:
        key = normalised(value)
        counts[key] += 1
        spellings[key] = min(spellings.get(key, value), value)
    winner = min(counts, key=lambda key: (-counts[key], key))
    return spellings[winner], counts[winner]


@dataclass(frozen=True)
class MajorityAnswer:
    """What the baseline answers to every question of a task.

    Args:
        text: the most frequent training label (for tasks without boxes: the most frequent training answer).
        box: mean training box ``(x, y, w, h)`` as fractions of the frame; ``None`` for tasks without boxes.
        share: share of the training objects with that label (without boxes: of the training answers).
        counted: how many training objects (answers) there are.
    """

    text: str
    box: Box | None
    share: float
    counted: int

    def answer(self, frame: tuple[int, int]) -> Answer:
        """The baseline's answer for a frame of ``(width, height)`` pixels."""
        if self.box is None:
            return Answer(self.text)
        x, y, w, h = self.box
        box = (x * frame[0], y * frame[1], w * frame[0], h * frame[1])
        return Answer(self.text, (Located(self.text, box),), self.text)


def learn_majority(task: str, train: Sequence[Sample]) -> MajorityAnswer:
    """Learn the baseline of one task from its training samples.

    The box is the mean over all answered objects of the task, whatever their label: of the corners, as fractions of
    each frame.

    Raises:
        DatasetError: ``no_training_samples`` if the training split has no sample of the task.
    """
    own = [sample for sample in train if sample.task == task]
    if not own:
        raise DatasetError(
            "no_training_samples",
            "the test split asks this task and the training split has no sample of it",
            field="task",
            value=task,
            remedy="Make the splits again so that both hold the task, or leave the task out.",
        )
    objects = [(o, sample) for sample in own for o in sample.answered_objects()]
    if not objects:
        text, count = most_frequent(sample.answer for sample in own)
        return MajorityAnswer(text, None, count / len(own), len(own))
    text, count = most_frequent(o.label for o, _ in objects)
    sums = [0.0, 0.0, 0.0, 0.0]
    for located, sample in objects:
        x, y, w, h = located.box
        for axis, part in enumerate((x / sample.width, y / sample.height, w / sample.width, h / sample.height)):
            sums[axis] += part
    x, y, w, h = (total / len(objects) for total in sums)
    return MajorityAnswer(text, (x, y, w, h), count / len(objects), len(objects))
