"""Scan order and overlay are decided by what the pictures and masks show, and recorded with the figures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.exports.conftest import Imported, Reader
from sam2_assets_tests.exports.export_builder import (
    HEIGHT,
    WIDTH,
    Export,
    blob,
    demo_export,
    enlarge,
    full_resolution,
    painted,
    png,
    scene,
    text,
    truth,
)


def assert_boxes_are_true(imported: Imported) -> None:
    boxes = imported.tables.objects[["frame_index", "object_id", "box_x", "box_y", "box_w", "box_h", "area_px"]]
    for frame, object_id, *box, area in boxes.itertuples(index=False):
        mask = enlarge(truth(int(frame))[int(object_id)])
        assert box == list(cv2.boundingRect(mask))
        assert area == mask.sum()


@pytest.mark.parametrize("order", ["row", "column"])
@pytest.mark.parametrize("grid", ["low", "full"])
def test_burnt_in_contours_show_the_order_that_nobody_states(read: Reader, order: str, grid: str) -> None:
    export = demo_export()
    if grid == "full":
        export = full_resolution(export, order, stated=False)
    else:
        for frame in export.document["annotations"]:
            for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=True):
                record["mask_rle"] = text(mask, order)
    imported = read(export)
    decision = imported.decision("mask_order")
    agreement = decision["evidence"]["overlay_agreement"]
    other = "row" if order == "column" else "column"
    assert (decision["choice"], decision["evidence"]["basis"]) == (order, "overlay")
    assert agreement[order] > 0.95 > 0.1 > agreement[other]
    assert_boxes_are_true(imported)


@pytest.mark.parametrize("order", ["row", "column"])
def test_without_overlay_the_lines_of_masks_show_the_order(read: Reader, order: str) -> None:
    imported = read(full_resolution(demo_export(paint=False), order, stated=False))
    decision = imported.decision("mask_order")
    assert (decision["choice"], decision["evidence"]["basis"]) == (order, "line coherence")
    assert_boxes_are_true(imported)


@pytest.mark.parametrize("spelling", ["column", "F", "row", "C"])
def test_a_stated_order_is_followed(read: Reader, spelling: str) -> None:
    order = {"F": "column", "C": "row"}.get(spelling, spelling)
    export = full_resolution(demo_export(paint=False), order, stated=True)
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            record["mask_order"] = spelling
    imported = read(export)
    assert imported.decision(f"mask_order where stated {order}")["choice"] == order
    assert_boxes_are_true(imported)


@pytest.mark.parametrize("paint", [True, False])
def test_a_stated_order_that_the_evidence_contradicts_is_refused(read: Reader, paint: bool) -> None:
    export = full_resolution(demo_export(paint=paint), "column", stated=True)
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            record["mask_order"] = "row"
    error = read.refused(export)
    assert (error.code, error.field, error.value) == ("mask_order_contradiction", "mask_order", "'row'")


def test_a_stated_size_with_swapped_sides_is_refused(read: Reader) -> None:
    export = full_resolution(demo_export(paint=False), "column", stated=True)
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            record["mask_size"] = [WIDTH, HEIGHT]
    assert read.refused(export).code == "mask_size_contradiction"


def flipped(export: Export) -> Export:
    """The same masks lined up column by column, which nothing states; stated boxes stay as they were."""
    export = export.copy()
    for frame in export.document["annotations"]:
        for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=True):
            record["mask_rle"] = text(mask, "column")
    return export


@pytest.mark.parametrize("order", ["row", "column"])
def test_without_pictures_the_box_of_the_transposed_mask_shows_the_order(read: Reader, order: str) -> None:
    export = demo_export() if order == "row" else flipped(demo_export())
    export.pictures.clear()
    imported = read(export)
    decision = imported.decision("mask_order")
    assert (decision["choice"], decision["evidence"]["basis"]) == (order, "the exporter's box of the transposed mask")
    assert_boxes_are_true(imported)


@pytest.mark.parametrize("order", ["row", "column"])
@pytest.mark.parametrize("corners", [False, True])
def test_without_pictures_true_boxes_in_frame_pixels_show_the_order(read: Reader, order: str, corners: bool) -> None:
    export = demo_export() if order == "row" else flipped(demo_export())
    export.pictures.clear()
    export.document["export_config"]["exporter_version"] = "another writer's"
    for frame in export.document["annotations"]:
        for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=True):
            x, y, w, h = cv2.boundingRect(enlarge(mask))
            record["bbox"] = [x, y, x + w, y + h] if corners else [x, y, w, h]
    imported = read(export)
    decision = imported.decision("mask_order")
    assert (decision["choice"], decision["evidence"]["basis"]) == (order, "boxes")
    assert not any("mask order" in warning for warning in imported.summary.warnings)
    assert set(imported.tables.objects["box_provenance"]) == {"stated"}
    assert_boxes_are_true(imported)


def test_order_is_assumed_only_where_nothing_shows_it_and_then_said(read: Reader) -> None:
    export = demo_export()
    export.pictures.clear()
    for frame in export.document["annotations"]:
        for record in frame["objects"]:
            del record["bbox"]
    assert read(export).decision("mask_order")["evidence"]["basis"] == "exporter's habit"
    export.document["export_config"]["exporter_version"] = "9.9"
    imported = read(export)
    assert any("mask order" in warning for warning in imported.summary.warnings)


def test_masks_that_both_readings_leave_alike_are_said_to_show_nothing(read: Reader) -> None:
    export = demo_export()
    export.document["export_config"]["exporter_version"] = "9.9"
    square = np.zeros((256, 256), np.uint8)
    square[60:120, 60:120] = 1
    for frame in export.document["annotations"]:
        del frame["objects"][1]
        frame["objects"][0] |= {"mask_rle": text(square), "bbox": [60, 60, 60, 60]}
        name = f"images/frame_{frame['frame_index']:06d}.png"
        export.pictures[name] = png(painted(scene(frame["frame_index"]), [square], ["rocket"]))
    imported = read(export)
    assert imported.decision("mask_order")["evidence"]["basis"] == "exporter's habit"
    assert any("nothing shows it" in warning for warning in imported.summary.warnings)
    box = [75.0, 43.0, 75.0, 42.0]
    assert imported.tables.objects[["box_x", "box_y", "box_w", "box_h"]].iloc[0].tolist() == box


@pytest.mark.parametrize("evidence", ["overlay", "lines"])
def test_frames_in_different_orders_are_refused_by_their_numbers(read: Reader, evidence: str) -> None:
    if evidence == "overlay":
        export, other = demo_export(), flipped(demo_export())
    else:
        export, other = (full_resolution(demo_export(paint=False), o, stated=False) for o in ("row", "column"))
    export.document["annotations"][1] = other.document["annotations"][1]
    error = read.refused(export)
    assert (error.code, error.field) == ("mask_order_contradiction", "mask_order")
    assert "row in frames [0, 12, 18] and column in frames [6]" in str(error)


def test_a_stated_order_that_true_boxes_contradict_is_refused(read: Reader) -> None:
    export = demo_export()
    export.pictures.clear()
    for frame in export.document["annotations"]:
        for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=True):
            record |= {"bbox": list(cv2.boundingRect(enlarge(mask))), "mask_order": "column"}
    assert read.refused(export).code == "mask_order_contradiction"


def origins(export: Export, read: Reader) -> set[str]:
    return set(read(export).tables.frames["image_origin"])


def test_painted_and_clean_pictures_are_told_apart(read: Reader) -> None:
    assert origins(demo_export(), read) == {ImageOrigin.EXPORT_OVERLAY}
    assert origins(demo_export(paint=False), read) == {ImageOrigin.EXPORT_CLEAN}


def before_green(*, paint: bool, objects: int) -> Export:
    """An export of a film in front of a green screen, whose green is that of the first object's contour."""
    export = demo_export()
    for frame in export.document["annotations"]:
        index = frame["frame_index"]
        masks = truth(index)[:objects]
        del frame["objects"][objects:]
        picture = np.full((HEIGHT, WIDTH, 3), (0, 255, 0), np.uint8)
        for mask in map(enlarge, masks):
            picture[mask > 0] = scene(index)[mask > 0]
        labels = [record["label"] for record in frame["objects"]]
        name = f"images/frame_{index:06d}.png"
        export.pictures[name] = png(painted(picture, masks, labels) if paint else picture)
    return export


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("paint", [True, False])
@pytest.mark.parametrize("order", ["row", "column"])
def test_contours_that_lie_on_a_green_screen_by_chance_are_no_evidence(
    read: Reader, order: str, paint: bool, objects: int
) -> None:
    export = before_green(paint=paint, objects=objects)
    for frame in export.document["annotations"]:
        for record, mask in zip(frame["objects"], truth(frame["frame_index"]), strict=False):
            record["mask_rle"] = text(enlarge(mask), order)
    imported = read(export)
    assert imported.decision("mask_order")["choice"] == order
    assert imported.decision("mask_order")["evidence"]["basis"] == ("overlay" if paint else "line coherence")
    origin = ImageOrigin.EXPORT_OVERLAY if paint else ImageOrigin.EXPORT_CLEAN
    assert set(imported.tables.frames["image_origin"]) == {origin}
    assert_boxes_are_true(imported)


def test_one_painted_picture_among_clean_ones_makes_all_suspect(read: Reader) -> None:
    export = demo_export(paint=False)
    export.pictures["images/frame_000006.png"] = demo_export().pictures["images/frame_000006.png"]
    imported = read(export)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.EXPORT_OVERLAY}
    assert any("overlay" in warning for warning in imported.summary.warnings)


def test_an_overlay_saved_again_as_jpeg_is_still_found(read: Reader) -> None:
    export = demo_export()
    for name, data in list(export.pictures.items()):
        pixels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), 1), np.uint8)
        del export.pictures[name]
        export.pictures[name.replace(".png", ".jpg")] = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[
            1
        ].tobytes()
    imported = read(export)
    assert set(imported.tables.frames["image_origin"]) == {ImageOrigin.EXPORT_OVERLAY}
    assert imported.decision("mask_order")["evidence"]["basis"] == "overlay"
    assert imported.tables.frames["image"].tolist()[0] == "images/frame_000000.jpg"


def test_the_colour_follows_the_place_in_the_list_and_not_the_id(read: Reader) -> None:
    export = demo_export()
    for frame in export.document["annotations"]:
        frame["objects"][0]["object_id"] = 5
    imported = read(export)
    assert imported.decision("mask_order")["evidence"]["overlay_agreement"]["row"] > 0.95
    assert imported.tables.objects["object_id"].tolist()[:2] == [1, 5]


def test_a_full_mask_does_not_hide_the_order_of_the_others(read: Reader) -> None:
    export = demo_export()
    for frame in export.document["annotations"]:
        index = frame["frame_index"]
        masks = [*truth(index), np.ones((256, 256), np.uint8)]
        record = {"object_id": 2, "label": "sky", "mask_rle": "0 65536"}
        frame["objects"].append(record)
        picture = painted(scene(index), masks, ["rocket", "comet", "sky"])
        export.pictures[f"images/frame_{index:06d}.png"] = png(picture)
    decision = read(export).decision("mask_order")
    assert (decision["choice"], decision["evidence"]["basis"]) == ("row", "overlay")


def test_pictures_whose_only_contour_lies_under_a_label_are_taken_as_painted(read: Reader) -> None:
    export = demo_export((0,))
    tiny = blob((256, 256), 0.02, 0.02, 0.01, 0.01)
    export.document["annotations"][0]["objects"] = [{"object_id": 0, "label": "dot", "mask_rle": text(tiny)}]
    export.pictures["images/frame_000000.png"] = png(painted(scene(0), [tiny], ["dot"]))
    assert origins(export, read) == {ImageOrigin.EXPORT_OVERLAY}


def test_outlines_beside_the_masks_are_paint_that_belongs_to_other_masks(read: Reader) -> None:
    export = demo_export()
    frames = export.document["annotations"]
    late = [frame["objects"] for frame in frames]
    for frame, objects in zip(frames, late[len(late) // 2 :] + late[: len(late) // 2], strict=True):
        frame["objects"] = objects
    decision = read(export).decision("pictures")
    assert decision["choice"] == ImageOrigin.EXPORT_OVERLAY
    assert set(decision["evidence"]["outlined_elsewhere"]) == {str(frame["frame_index"]) for frame in frames}


def test_the_outline_of_an_object_that_is_no_longer_listed_is_paint_and_no_contradiction(read: Reader) -> None:
    export = demo_export()
    for frame in export.document["annotations"]:
        del frame["objects"][0]
    imported = read(export)
    assert imported.decision("pictures")["choice"] == ImageOrigin.EXPORT_OVERLAY
    assert "outlined_elsewhere" not in imported.decision("pictures")["evidence"]
    assert any("outlines are painted where no mask has its edge" in warning for warning in imported.record["warnings"])
