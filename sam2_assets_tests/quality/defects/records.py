"""Records that are missing, repeated, or do not belong together."""

from __future__ import annotations

from sam2_assets_tests.quality.defects.clean_export import FRAMES, STEP, CleanExport
from sam2_assets_tests.quality.defects.defect import Case, Defect


def _frame_twice(export: CleanExport) -> None:
    export.frames[5]["frame_index"] = export.frames[4]["frame_index"]


def _frames_in_another_order(export: CleanExport) -> None:
    export.frames.reverse()


def _frame_beyond_the_video(export: CleanExport) -> None:
    export.frames[-1]["frame_index"] = STEP * FRAMES


def _object_twice(export: CleanExport) -> None:
    export.objects(5).append(dict(export.record(5, 1)))


def _objects_in_another_order(export: CleanExport) -> None:
    export.objects(5).reverse()


def _without_pictures(count: int) -> Case:
    def change(export: CleanExport) -> None:
        for position in range(count):
            del export.pictures[export.picture_name(position)]

    return Case(f"the pictures of {count} of {FRAMES} frames are gone", change)


def _other_size_in_metadata(export: CleanExport) -> None:
    assert export.metadata is not None
    export.metadata["video"]["width"] = 1280


def _without_metadata(export: CleanExport) -> None:
    export.metadata = None


DEFECTS = (
    Defect(
        "duplicate_frame",
        Case("a frame is recorded twice", _frame_twice),
        Case("the frames are listed backwards", _frames_in_another_order),
        refused=True,
    ),
    Defect(
        "out_of_range",
        Case("a frame lies beyond the video's end", _frame_beyond_the_video),
        Case("the frames are listed backwards", _frames_in_another_order),
        refused=True,
    ),
    Defect(
        "duplicate_object",
        Case("an object is recorded twice in a frame, under one id", _object_twice),
        Case("the objects of a frame are listed backwards", _objects_in_another_order),
        refused=True,
    ),
    Defect("missing_picture", _without_pictures(8), _without_pictures(0)),
    Defect(
        "metadata_contradiction",
        Case("metadata.json states another frame size", _other_size_in_metadata),
        Case("there is no metadata.json", _without_metadata),
        refused=True,
    ),
)
