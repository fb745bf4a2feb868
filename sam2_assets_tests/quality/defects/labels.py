"""The names that objects were given."""

from __future__ import annotations

import numpy as np

from sam2_assets.sample.choreography import HEIGHT, WIDTH
from sam2_assets_tests.quality.defects.clean_export import FRAMES, CleanExport
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def named(label: str, object_id: int = 1) -> Change:
    """Another name for the balloon."""
    return lambda export: export.rename(object_id, label)


def _named(first: str, second: str) -> Change:
    def change(export: CleanExport) -> None:
        export.rename(0, first)
        export.rename(1, second)

    return change


def _renamed_halfway(export: CleanExport) -> None:
    for record in export.track(1)[FRAMES // 2 :]:
        record["label"] = "air ship"


def _hidden_object(export: CleanExport) -> None:
    """Another object that has a name and never a mask."""
    for position in range(FRAMES):
        export.put(position, 7, np.zeros((HEIGHT, WIDTH), np.uint8), "dragon")


def _hidden_twin(export: CleanExport) -> None:
    """Another balloon that is hidden all the time: its class is seen."""
    for position in range(FRAMES):
        export.put(position, 7, np.zeros((HEIGHT, WIDTH), np.uint8), "balloon")


def _names_exchanged(export: CleanExport) -> None:
    for position in range(FRAMES // 2, FRAMES):
        export.record(position, 0)["label"], export.record(position, 1)["label"] = "balloon", "fish"


DEFECTS = (
    Defect(
        "placeholder_label",
        Case("an object has the demo's default name", named("object_1")),
        Case("an object is called 'objective 1'", named("objective 1")),
    ),
    Defect(
        "near_same_labels",
        Case("two names differ in case only", _named("balloon", "Balloon")),
        Case("two names differ in a letter", _named("boat", "goat")),
    ),
    Defect(
        "one_object_changes_label",
        Case("an object is renamed halfway", _renamed_halfway),
        Case("an object has another name in all frames", named("air ship")),
    ),
    Defect(
        "placeholder_label",
        Case("an object's name is blank", named("  ")),
        Case("an object's name has blanks around it", named(" balloon ")),
    ),
    Defect(
        "placeholder_label",
        Case("an object's name is a number", named("7")),
        Case("an object's name holds a number", named("Apollo 7")),
    ),
    Defect(
        "near_same_labels",
        Case("two names are singular and plural", _named("balloon", "balloons")),
        Case("two names begin alike", _named("balloon", "balloonist")),
    ),
    Defect(
        "near_same_labels",
        Case("two names differ in the width of their letters", _named("UFO", "ＵＦＯ")),
        Case("two names differ in a letter", _named("UFO", "UFA")),
    ),
    Defect(
        "one_object_changes_label",
        Case("two objects exchange their names", _names_exchanged),
        Case("an object has another name in all frames", named("air ship")),
    ),
    Defect(
        "escaped_label",
        Case("a name holds a prompt token", named("balloon <image>")),
        Case("a name holds brackets", named("balloon (red)")),
    ),
    Defect(
        "stale_name",
        Case("a name is carried by empty masks only", _hidden_object, also=frozenset({"empty_mask"})),
        Case("a second balloon is hidden all the time", _hidden_twin, also=frozenset({"empty_mask"})),
    ),
    Defect(
        "stale_name",
        Case("an object has another one's default name", named("Object 5"), also=frozenset({"placeholder_label"})),
        Case("an object has its own default name", named("Object 2"), also=frozenset({"placeholder_label"})),
    ),
)
