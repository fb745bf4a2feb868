"""Tasks that mean one object without naming its box: by its relation to others, or by where its track was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sam2_assets.instructions.language import Language, fill
from sam2_assets.instructions.sample import place_marker
from sam2_assets.instructions.tasks.scene import Composed, Draws, Scene, Task, askable_labels, object_line

_CLEARLY_APART = 0.05
"""Of the frame's side: nearer than this, two people would not agree which object is further left."""
_CLEARLY_LARGER = 1.5
_LEFT, _RIGHT, _UP, _DOWN = (0, -1), (0, 1), (1, -1), (1, 1)
"""Axis of the frame and direction along it."""
_EXTREMES = {"leftmost": _LEFT, "rightmost": _RIGHT, "topmost": _UP, "bottommost": _DOWN}
_SIDES = {"left_of": _LEFT, "right_of": _RIGHT, "above": _UP, "below": _DOWN}


@dataclass(frozen=True)
class _Stretch:
    """An object along a direction, in shares of the frame's side: where it begins, its middle, where it ends."""

    begin: float
    middle: float
    end: float


def referents(scene: Scene) -> list[tuple[int, str, str]]:
    """All ``(index, relation, other label)`` that mean exactly one object, without doubt; other may be empty.

    Extremes are taken among the objects of one label: the one meant reaches further on both sides than each rival.
    Sides are relative to the only object of another label: the middle of neither lies beside the other, and no rival
    could be meant. Labels that another one is alike are left out.
    """
    askable = set(askable_labels(scene))
    counts = Counter(o.label for o in scene.objects if o.label in askable)
    return [*_extremes(scene, counts), *_sizes(scene, counts), *_sides(scene, counts)]


def _stretches(scene: Scene, direction: tuple[int, int]) -> list[_Stretch]:
    axis, sign = direction
    size = (scene.width, scene.height)[axis]
    found = []
    for o in scene.objects:
        ends = sorted(sign * edge / size for edge in (o.box[axis], o.box[axis] + o.box[axis + 2]))
        found.append(_Stretch(ends[0], sum(ends) / 2, ends[1]))
    return found


def _extremes(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    for relation, direction in _EXTREMES.items():
        along = _stretches(scene, direction)
        for label in sorted(label for label, count in counts.items() if count > 1):
            first, *rivals = sorted(_of(scene, label), key=lambda i: (-along[i].middle, i))
            if all(
                along[first].middle - along[i].middle >= _CLEARLY_APART
                and along[first].begin > along[i].begin
                and along[first].end > along[i].end
                for i in rivals
            ):
                yield first, relation, ""


def _sizes(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    for label in sorted(label for label, count in counts.items() if count > 1):
        ranked = sorted(_of(scene, label), key=lambda i: (-scene.objects[i].area_px, i))
        if scene.objects[ranked[0]].area_px >= _CLEARLY_LARGER * scene.objects[ranked[1]].area_px:
            yield ranked[0], "largest", ""
        if scene.objects[ranked[-2]].area_px >= _CLEARLY_LARGER * scene.objects[ranked[-1]].area_px:
            yield ranked[-1], "smallest", ""


def _sides(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    anchors = sorted(label for label, count in counts.items() if count == 1)
    for relation, direction in _SIDES.items():
        along = _stretches(scene, direction)
        for other in anchors:
            (anchor,) = (along[i] for i in _of(scene, other))
            for label in sorted(counts):
                if label == other:
                    continue
                possible = [i for i in _of(scene, label) if along[i].middle - anchor.middle > -_CLEARLY_APART]
                if len(possible) == 1 and _clearly_beyond(along[possible[0]], anchor):
                    yield possible[0], relation, other


def _clearly_beyond(found: _Stretch, anchor: _Stretch) -> bool:
    apart = found.middle - anchor.middle >= _CLEARLY_APART
    # A street that spans the picture is not left of the car on it, whatever their middles say.
    return apart and found.middle > anchor.end and anchor.middle < found.begin


def _of(scene: Scene, label: str) -> list[int]:
    return [i for i, o in enumerate(scene.objects) if o.label == label]


def _refer(scene: Scene, language: Language, draws: Draws) -> Composed | None:
    possible = referents(scene)
    if not possible:
        return None
    # First the kind of relation: frames with many objects have many more sides than extremes.
    relation = draws.one_of(sorted({relation for _, relation, _ in possible}), "relation")
    index, _, other = draws.one_of([p for p in possible if p[1] == relation], "object")
    meant = fill(language.relations[relation], {"label": scene.objects[index].label, "other": other})
    return Composed(object_line(scene.objects, index), {"object": meant})


def _track(scene: Scene, language: Language, draws: Draws) -> Composed | None:
    if scene.earlier is None:
        return None
    before = {(o.object_id, o.label): o.box for o in scene.earlier.objects}
    known = [i for i, o in enumerate(scene.objects) if (o.object_id, o.label) in before]
    if not known:
        return None
    index = draws.one_of(known, "object")
    found = scene.objects[index]
    return Composed(
        object_line(scene.objects, index),
        {
            "label": found.label,
            "seconds": f"{scene.earlier.seconds:.2f}".replace(".", language.decimal_point),
            "box": place_marker(before[found.object_id, found.label]),
        },
    )


REFERRING = (
    Task("refer", "the object that the question means by its relation to others: `label box`", _refer, ("object",)),
    Task(
        "track",
        "where the object is now that was at the question's box shortly before: `label box`",
        _track,
        ("label", "seconds", "box"),
    ),
)
