"""How much there is to learn from."""

from __future__ import annotations

from sam2_assets_tests.quality.defects.clean_export import FRAMES, CleanExport
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def _only_first(count: int) -> Change:
    def change(export: CleanExport) -> None:
        for position in range(count, FRAMES):
            del export.pictures[export.picture_name(position)]
        del export.frames[count:]
        indices = [frame["frame_index"] for frame in export.frames]
        export.document["export_config"] |= {"frame_indices": indices, "total_exported_frames": count}
        export.metadata = None

    return change


DEFECTS = (
    Defect(
        "too_few_frames",
        Case("nine frames are annotated", _only_first(9), also=frozenset({"too_few_annotations"})),
        Case("ten frames are annotated", _only_first(10)),
    ),
)
