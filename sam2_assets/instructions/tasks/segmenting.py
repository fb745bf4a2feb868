"""Segmentation: the objects of one label; their masks are in the record, and as polygons in the text on request."""

from __future__ import annotations

from sam2_assets.instructions.language import OUTLINES, Language
from sam2_assets.instructions.polygons import outlines
from sam2_assets.instructions.sample import polygon_marker
from sam2_assets.instructions.tasks.scene import Composed, Draws, Scene, Task, askable_labels, object_line


def _segment(scene: Scene, language: Language, draws: Draws) -> Composed | None:
    labels = askable_labels(scene)
    if not labels:
        return None
    label = draws.one_of(labels, "label")
    lines = []
    for index, found in enumerate(scene.objects):
        if found.label != label:
            continue
        lines.append(object_line(scene.objects, index))
        if scene.polygon_points:
            # A line that begins with numbers names no object: who reads labels and boxes skips it.
            lines += [polygon_marker(p) for p in outlines(found, scene.width, scene.height, scene.polygon_points)]
    return Composed("\n".join(lines), {"label": label}, OUTLINES if scene.polygon_points else None)


SEGMENTING = (
    Task(
        "segment",
        "every object of the label that the question names: one line `label box` each, then with `polygons` a line "
        "of corners for each piece of its mask; the masks are in the record",
        _segment,
        ("label",),
    ),
)
