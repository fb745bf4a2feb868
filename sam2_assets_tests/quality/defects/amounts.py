"""How much there is to learn from."""

from __future__ import annotations

from sam2_assets_tests.quality.defects.clean_export import FRAMES, CleanExport, square
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def _only_first(count: int) -> Change:
    def change(export: CleanExport) -> None:
        for _ in range(count, FRAMES):
            export.drop_frame(count)
        del export.listed[count:]

    return change


def _rare(count: int, label: str = "ladybird") -> Change:
    """Another object, in the first frames only."""

    def change(export: CleanExport) -> None:
        for position in range(count):
            export.put(position, 7, square(40 + position, 30, 24), label)

    return change


def _no_pictures(export: CleanExport) -> None:
    export.pictures.clear()


def _bare_end(export: CleanExport) -> None:
    for position in range(FRAMES - 4, FRAMES):
        export.objects(position).clear()


DEFECTS = (
    Defect(
        "no_usable_frame",
        Case("all pictures are gone", _no_pictures, also=frozenset({"missing_picture", "too_few_frames"})),
        Case("ten frames are annotated", _only_first(10)),
    ),
    Defect(
        "frames_without_objects",
        Case("the last four frames show no object", _bare_end),
        Case(
            "they do, declared with empty_frames: negative",
            _bare_end,
            also=frozenset({"frames_without_objects"}),
            settings={"empty_frames": "negative"},
        ),
    ),
    Defect(
        "too_few_annotations",
        Case("a class is annotated nine times", _rare(9)),
        Case("a class is annotated ten times", _rare(10)),
    ),
    Defect(
        "class_imbalance",
        Case("a class is twelve times rarer than another", _rare(2), also=frozenset({"too_few_annotations"})),
        Case("a class is eight times rarer than another", _rare(3), also=frozenset({"too_few_annotations"})),
    ),
    Defect(
        "too_few_frames",
        Case("nine frames are annotated", _only_first(9), also=frozenset({"too_few_annotations"})),
        Case("ten frames are annotated", _only_first(10)),
    ),
)
