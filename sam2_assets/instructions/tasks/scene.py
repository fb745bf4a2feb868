"""What a task composes from: a frame, what its video knows beside it, seeded draws; and what it composes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sam2_assets.instructions.language import Language
from sam2_assets.instructions.rows import RowObject
from sam2_assets.instructions.sample import box_marker
from sam2_assets.labels import alike

Item = TypeVar("Item")


@dataclass(frozen=True)
class Earlier:
    """A frame shortly before: ``seconds`` ago, with its objects."""

    seconds: float
    objects: Sequence[RowObject]


@dataclass(frozen=True)
class Scene:
    """A frame as the tasks see it.

    Args:
        objects: its objects, by id; at least one.
        width: of the frame, pixels.
        height: of the frame, pixels.
        absent: labels it does not show and that may be asked for, sorted.
        earlier: a frame shortly before it, if there is one.
        none_share: share of the questions for one label that ask for an absent one.
        polygon_points: most corners of a polygon; 0 for no polygons.
    """

    objects: Sequence[RowObject]
    width: int
    height: int
    absent: Sequence[str] = ()
    earlier: Earlier | None = None
    none_share: float = 0.0
    polygon_points: int = 0


class Draws:
    """Numbers that hang on a text alone: the same for everyone, whatever was drawn elsewhere."""

    def __init__(self, key: str) -> None:
        self._key = key

    def number(self, purpose: str) -> float:
        """A number of [0, 1) for one purpose."""
        return int.from_bytes(hashlib.sha256(f"{self._key}:{purpose}".encode()).digest()[:7], "big") / 2**56

    def one_of(self, items: Sequence[Item], purpose: str) -> Item:
        """One of the items, each as likely as the others."""
        return items[int(self.number(purpose) * len(items))]


@dataclass(frozen=True)
class Composed:
    """An answer template.

    Args:
        answer: the template.
        values: what the placeholders of the question stand for.
        phrasings: whose phrasings ask for it, if not those of the task itself.
    """

    answer: str
    values: Mapping[str, str] = field(default_factory=dict)
    phrasings: str | None = None


@dataclass(frozen=True)
class Task:
    """A task.

    Args:
        name: as users choose it.
        summary: what the answer holds.
        compose: the answer to a scene, or None if the task cannot be asked of it without doubt.
        placeholders: what every question of the task names, e.g. ``label`` for ``{label}``.
    """

    name: str
    summary: str
    compose: Callable[[Scene, Language, Draws], Composed | None]
    placeholders: tuple[str, ...] = ()


def askable_labels(scene: Scene) -> list[str]:
    """The frame's labels, sorted, without those that mean the same as another one: asked for the cat, is it the Cat?"""
    return sorted(label for label, them in alike(o.label for o in scene.objects).items() if len(them) == 1)


def object_line(objects: Sequence[RowObject], index: int) -> str:
    """A line of an answer: label and box of one object."""
    return f"{objects[index].label} {box_marker(index)}"


def centre(found: RowObject) -> tuple[float, float]:
    """Middle of an object's box, frame pixels."""
    x, y, w, h = found.box
    return x + w / 2, y + h / 2
