"""The names that objects were given."""

from __future__ import annotations

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
)
