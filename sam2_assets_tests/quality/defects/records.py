"""Records that are missing, repeated, or do not belong together."""

from __future__ import annotations

from sam2_assets_tests.quality.defects.clean_export import FRAMES, STEP, CleanExport
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


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


def _without_pictures(count: int) -> Change:
    def change(export: CleanExport) -> None:
        for position in range(count):
            del export.pictures[export.picture_name(position)]

    return change


def _other_size_in_metadata(export: CleanExport) -> None:
    assert export.metadata is not None
    export.metadata["video"]["width"] = 1280


def _without_metadata(export: CleanExport) -> None:
    export.metadata = None


def _record_left_out(export: CleanExport) -> None:
    export.drop_frame(7)


def _last_step_shorter(export: CleanExport) -> None:
    picture = export.pictures.pop(export.picture_name(FRAMES - 1))
    index = STEP * (FRAMES - 1) - 2
    export.frames[-1] |= {"frame_index": index, "timestamp_sec": round(index / 24, 3)}
    export.pictures[export.picture_name(FRAMES - 1)] = picture
    export.listed[-1] = index


def _not_listed(export: CleanExport) -> None:
    export.listed.remove(7 * STEP)


def _list_in_another_order(export: CleanExport) -> None:
    export.listed.reverse()


def _listed_twice(export: CleanExport) -> None:
    export.listed.append(7 * STEP)


def _no_list(export: CleanExport) -> None:
    del export.document["export_config"]["frame_indices"]


def _left_out_and_no_list(export: CleanExport) -> None:
    _no_list(export)
    _record_left_out(export)


def _lost_objects(export: CleanExport) -> None:
    export.counts_follow = False
    assert export.metadata is not None
    export.metadata["statistics"] = {"total_frames": FRAMES, "total_objects": 4 * FRAMES}


def _no_statistics(export: CleanExport) -> None:
    export.counts_follow = False


def _exported_more(export: CleanExport) -> None:
    export.counts_follow = False
    export.document["export_config"]["total_exported_frames"] = FRAMES + 3


def _cut_off(export: CleanExport) -> None:
    export.extra["annotations.json"] = export.members()["annotations.json"][:-200]


def _with_byte_order_mark(export: CleanExport) -> None:
    export.bom = True


def _without(field: str) -> Change:
    def change(export: CleanExport) -> None:
        del export.record(6, 1)[field]

    return change


def _number_as_text(export: CleanExport) -> None:
    export.record(6, 1)["object_id"] = "one"


def _negative_width(export: CleanExport) -> None:
    export.document["video"]["width"] = -640


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
    Defect(
        "missing_picture",
        Case("the pictures of eight of 24 frames are gone", _without_pictures(8)),
        Case("the pictures of two frames are gone", _without_pictures(2), also=frozenset({"missing_picture"})),
    ),
    Defect(
        "metadata_contradiction",
        Case("metadata.json states another frame size", _other_size_in_metadata),
        Case("there is no metadata.json", _without_metadata),
        refused=True,
    ),
    Defect(
        "frame_list_differs",
        Case("a listed frame has no record", _record_left_out),
        Case("the last step is shorter than the others", _last_step_shorter),
    ),
    Defect(
        "frame_list_differs",
        Case("a recorded frame is not listed", _not_listed),
        Case("the list of frames is backwards", _list_in_another_order),
    ),
    Defect(
        "frame_list_differs",
        Case("a frame is listed twice", _listed_twice),
        Case("the list of frames is backwards", _list_in_another_order),
    ),
    Defect(
        "frame_list_differs",
        Case("no frames are listed, and a record is left out", _left_out_and_no_list),
        Case("no frames are listed", _no_list),
    ),
    Defect(
        "counts_differ",
        Case("metadata.json counts more objects than there are", _lost_objects),
        Case("metadata.json counts nothing", _no_statistics),
    ),
    Defect(
        "counts_differ",
        Case("more frames are said to be exported than listed", _exported_more),
        Case("metadata.json counts nothing", _no_statistics),
    ),
    Defect(
        "bad_json",
        Case("annotations.json is cut off", _cut_off),
        Case("annotations.json begins with a byte order mark", _with_byte_order_mark),
        refused=True,
    ),
    Defect(
        "missing_field",
        Case("an object has no label", _without("label")),
        Case("an object has no confidence", _without("confidence")),
        refused=True,
    ),
    Defect(
        "wrong_type",
        Case("an object's id is a word", _number_as_text),
        Case("an object has no confidence", _without("confidence")),
        refused=True,
    ),
    Defect(
        "out_of_range",
        Case("the frame's width is negative", _negative_width),
        Case("there is no metadata.json", _without_metadata),
        refused=True,
    ),
)
