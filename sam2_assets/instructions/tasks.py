"""What can be asked about a frame: each task's answer template, and its questions from ``phrasings/<task>.yaml``.

A new task is one function that composes answers, one entry in ``TASKS`` and one YAML file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from sam2_assets.errors import SettingsError
from sam2_assets.instructions.rows import Conversation, RowObject, main_object, sample_id
from sam2_assets.instructions.sample import box_marker

PROMPT_TOKENS = ("<|", "<image>", "<video>", "<bbox>", "\n")
"""Text that would change the prompt or break an answer's lines, if a label or question held it."""


@dataclass(frozen=True)
class Composed:
    """An answer template, and the label its question names (empty if it names none)."""

    answer: str
    label: str = ""


@dataclass(frozen=True)
class Task:
    """A task: ``compose(objects, draw)`` gives the answer; ``draw`` is a number from the sample's seeded hash."""

    name: str
    summary: str
    compose: Callable[[Sequence[RowObject], int], Composed]


def _line(objects: Sequence[RowObject], index: int) -> str:
    return f"{objects[index].label} {box_marker(index)}"


def _detect(objects: Sequence[RowObject], draw: int) -> Composed:
    return Composed("\n".join(_line(objects, index) for index in range(len(objects))))


def _main_object(objects: Sequence[RowObject], draw: int) -> Composed:
    return Composed(_line(objects, objects.index(main_object(objects))))


def _count(objects: Sequence[RowObject], draw: int) -> Composed:
    counts = Counter(o.label for o in objects)
    return Composed("\n".join(f"{label}: {counts[label]}" for label in sorted(counts)))


def _locate(objects: Sequence[RowObject], draw: int) -> Composed:
    labels = sorted({o.label for o in objects})
    label = labels[draw % len(labels)]
    return Composed("\n".join(_line(objects, i) for i, o in enumerate(objects) if o.label == label), label)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("detect", "every object, by object id: one line `label box` each", _detect),
        Task("main_object", "the largest object: `label box`", _main_object),
        Task("count", "how many objects of each label: one line `label: number` each, by label", _count),
        Task("locate", "every object of one label that is named in the question: one line `label box` each", _locate),
    )
}


@cache
def phrasings(task: str) -> tuple[str, ...]:
    """The built-in questions of a task."""
    text = files("sam2_assets.instructions").joinpath("phrasings", f"{task}.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text)["questions"])


def check_tasks(tasks: Sequence[str], questions: Mapping[str, str]) -> None:
    """Refuse task settings that cannot be followed.

    Raises:
        SettingsError: ``no_tasks``, ``unknown_task``, ``repeated_task``, ``bad_question``.
    """
    known = ", ".join(TASKS)
    if not tasks:
        raise SettingsError("no_tasks", "no task is asked", field="tasks", value=[], remedy=f"Choose from: {known}.")
    for field, names in (("tasks", list(tasks)), ("questions", list(questions))):
        for name in names:
            if name not in TASKS:
                raise SettingsError(
                    "unknown_task", "no such task", field=field, value=name, remedy=f"Choose from: {known}."
                )
    if len(set(tasks)) != len(tasks):
        raise SettingsError(
            "repeated_task", "a task is named twice", field="tasks", value=list(tasks), remedy="Name each task once."
        )
    for name, question in questions.items():
        field = f"questions.{name}"
        bad = next((token for token in PROMPT_TOKENS if token in question), None)
        if bad is not None or not question.strip():
            raise SettingsError(
                "bad_question",
                f"a question must be one line of text without {bad!r}" if bad else "the question is empty",
                field=field,
                value=question,
                remedy="The picture and the answer's format are added by the model family; write only the question.",
            )
        if ("{label}" in question) != (name == "locate"):
            raise SettingsError(
                "bad_question",
                "{label} belongs in questions of task locate, and only there",
                field=field,
                value=question,
                remedy="Write for example 'Where is the {label}?' for locate.",
            )


def converse(
    video_id: str,
    frame_index: int,
    objects: Sequence[RowObject],
    *,
    tasks: Sequence[str],
    questions: Mapping[str, str],
    seed: int,
) -> tuple[Conversation, ...]:
    """One conversation a task about a frame with at least one object; the phrasing hangs on seed and sample id only."""
    conversations = []
    for name in tasks:
        key = f"{seed}:{sample_id(video_id, frame_index, name)}"
        digest = hashlib.sha256(key.encode()).digest()
        composed = TASKS[name].compose(objects, int.from_bytes(digest[:8], "big"))
        variants = (questions[name],) if name in questions else phrasings(name)
        question = variants[int.from_bytes(digest[8:16], "big") % len(variants)]
        conversations.append(Conversation(name, question.replace("{label}", composed.label), composed.answer))
    return tuple(conversations)
