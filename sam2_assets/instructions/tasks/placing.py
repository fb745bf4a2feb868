"""Tasks about places: what is in a box, and where in the picture each object is, in words."""

from __future__ import annotations

from sam2_assets.coordinates import iou
from sam2_assets.instructions.language import COLUMNS, ROWS, Language
from sam2_assets.instructions.sample import box_marker
from sam2_assets.instructions.tasks.scene import Composed, Draws, Scene, Task, centre

_CONFUSABLE_IOU = 0.5


def place_of(scene: Scene, index: int) -> str:
    """Which ninth of the picture the middle of an object's box is in, e.g. ``upper_left``."""
    x, y = centre(scene.objects[index])
    row = ROWS[min(int(3 * y / scene.height), 2)]
    return f"{row}_{COLUMNS[min(int(3 * x / scene.width), 2)]}"


def _describe(scene: Scene, language: Language, draws: Draws) -> Composed:
    lines = [f"{o.label}: {language.places[place_of(scene, i)]}" for i, o in enumerate(scene.objects)]
    return Composed("\n".join(lines))


def _name(scene: Scene, language: Language, draws: Draws) -> Composed | None:
    """Asks about a box that no object of another label could be meant by."""
    clear = [
        i
        for i, asked in enumerate(scene.objects)
        if all(iou(asked.box, o.box) < _CONFUSABLE_IOU for o in scene.objects if o.label != asked.label)
    ]
    if not clear:
        return None
    index = draws.one_of(clear, "object")
    return Composed(scene.objects[index].label, {"box": box_marker(index)})


PLACING = (
    Task("describe", "which ninth of the picture each object is in: one line `label: place` each", _describe),
    Task("name", "the label of the object in the box that the question names", _name, ("box",)),
)
