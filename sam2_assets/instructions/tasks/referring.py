"""Tasks that mean one object without naming its box: by its relation to others, or by where its track was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from sam2_assets.instructions.language import Language, fill
from sam2_assets.instructions.rows import RowObject
from sam2_assets.instructions.sample import place_marker
from sam2_assets.instructions.tasks.scene import Composed, Draws, Scene, Task, centre, object_line

_CLEARLY_APART = 0.05
"""Of the frame's side: nearer than this, two people would not agree which object is further left."""
_CLEARLY_LARGER = 1.5

Measure = Callable[[RowObject, Scene], float]
_EXTREMES: dict[str, Measure] = {
    "leftmost": lambda o, scene: -centre(o)[0] / scene.width,
    "rightmost": lambda o, scene: centre(o)[0] / scene.width,
    "topmost": lambda o, scene: -centre(o)[1] / scene.height,
    "bottommost": lambda o, scene: centre(o)[1] / scene.height,
}
_SIDES: dict[str, Measure] = {"left_of": _EXTREMES["leftmost"], "right_of": _EXTREMES["rightmost"]}
_SIDES |= {"above": _EXTREMES["topmost"], "below": _EXTREMES["bottommost"]}


def referents(scene: Scene) -> list[tuple[int, str, str]]:
    """All ``(index, relation, other label)`` that mean exactly one object, without doubt; other may be empty.

    Extremes are taken among the objects of one label; sides are relative to the only object of another label.
    """
    counts = Counter(o.label for o in scene.objects)
    return [*_extremes(scene, counts), *_sizes(scene, counts), *_sides(scene, counts)]


def _extremes(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    for relation, measure in _EXTREMES.items():
        for label in sorted(label for label, count in counts.items() if count > 1):
            ranked = sorted(_of(scene, label), key=lambda i: (-measure(scene.objects[i], scene), i))
            first, second = (measure(scene.objects[i], scene) for i in ranked[:2])
            if first - second >= _CLEARLY_APART:
                yield ranked[0], relation, ""


def _sizes(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    for label in sorted(label for label, count in counts.items() if count > 1):
        ranked = sorted(_of(scene, label), key=lambda i: (-scene.objects[i].area_px, i))
        if scene.objects[ranked[0]].area_px >= _CLEARLY_LARGER * scene.objects[ranked[1]].area_px:
            yield ranked[0], "largest", ""
        if scene.objects[ranked[-2]].area_px >= _CLEARLY_LARGER * scene.objects[ranked[-1]].area_px:
            yield ranked[-1], "smallest", ""


def _sides(scene: Scene, counts: Counter[str]) -> Iterator[tuple[int, str, str]]:
    anchors = sorted(label for label, count in counts.items() if count == 1)
    for relation, measure in _SIDES.items():
        for other in anchors:
            (anchor,) = _of(scene, other)
            limit = measure(scene.objects[anchor], scene)
            for label in sorted(counts):
                if label == other:
                    continue
                beyond = {i: measure(scene.objects[i], scene) - limit for i in _of(scene, label)}
                meant = [i for i, distance in beyond.items() if distance > -_CLEARLY_APART]
                if len(meant) == 1 and beyond[meant[0]] >= _CLEARLY_APART:
                    yield meant[0], relation, other


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
            "seconds": f"{scene.earlier.seconds:.2f}",
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
