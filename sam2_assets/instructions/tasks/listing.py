"""Tasks that list objects: all, the largest, those of one label or none, and how many of each."""

from __future__ import annotations

from collections import Counter

from sam2_assets.instructions.language import Language
from sam2_assets.instructions.rows import main_object
from sam2_assets.instructions.tasks.scene import Composed, Draws, Scene, Task, askable_labels, object_line


def _detect(scene: Scene, language: Language, draws: Draws) -> Composed:
    return Composed("\n".join(object_line(scene.objects, index) for index in range(len(scene.objects))))


def _main_object(scene: Scene, language: Language, draws: Draws) -> Composed:
    return Composed(object_line(scene.objects, scene.objects.index(main_object(scene.objects))))


def _count(scene: Scene, language: Language, draws: Draws) -> Composed:
    counts = Counter(o.label for o in scene.objects)
    return Composed("\n".join(f"{label}: {counts[label]}" for label in sorted(counts)))


def _locate(scene: Scene, language: Language, draws: Draws) -> Composed | None:
    if scene.absent and draws.number("none") < scene.none_share:
        return Composed(language.none, {"label": draws.one_of(scene.absent, "absent")})
    labels = askable_labels(scene)
    if not labels:
        return None
    label = draws.one_of(labels, "label")
    lines = [object_line(scene.objects, i) for i, o in enumerate(scene.objects) if o.label == label]
    return Composed("\n".join(lines), {"label": label})


LISTING = (
    Task("detect", "every object, by object id: one line `label box` each", _detect),
    Task("main_object", "the largest object: `label box`", _main_object),
    Task("count", "how many objects of each label: one line `label: number` each, by label", _count),
    Task(
        "locate",
        "every object of the label that the question names: one line `label box` each; the language's word for "
        "none if the frame has no such object",
        _locate,
        ("label",),
    ),
)
