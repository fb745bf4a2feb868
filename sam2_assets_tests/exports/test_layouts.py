"""Every layout gives the same tables, and what a layout does not state is asked for and never guessed in silence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from sam2_assets.exports.compressed import decompress
from sam2_assets_tests.exports.conftest import Imported, Reader
from sam2_assets_tests.exports.export_builder import (
    HEIGHT,
    TOTAL,
    WIDTH,
    demo_export,
    run_lengths,
    scene,
    truth,
    write_video,
    write_zip,
)
from sam2_assets_tests.exports.layout_builder import (
    INDICES,
    WRITINGS,
    mask_fields,
    members_of,
    object_major_members,
    proposal_export,
    segment_documents,
    segment_frames,
    true_box,
)

BOX = ["box_x", "box_y", "box_w", "box_h"]
SIZE = {"frame_width": WIDTH, "frame_height": HEIGHT}


def assert_true(imported: Imported) -> None:
    objects = imported.tables.objects
    assert len(objects) == 8
    assert objects["label"].tolist() == ["rocket", "comet"] * 4
    for frame, object_id, *box in objects[["frame_index", "object_id", *BOX]].itertuples(index=False):
        assert box == true_box(truth(int(frame))[int(object_id)])


def decisions(imported: Imported) -> dict[str, str]:
    return {each["what"]: each["choice"] for each in imported.record["decisions"]}


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_mask_may_be_written_in_any_of_the_known_ways(read: Reader, writing: str) -> None:
    imported = read(proposal_export(writing))
    assert_true(imported)
    assert set(imported.tables.objects["box_provenance"]) == {"stated"}
    assert imported.summary.image_origins == {"export_clean": 4}


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)))
def test_compressed_run_lengths_are_those_that_pycocotools_compressed(mask: np.ndarray) -> None:
    counts = coco.encode(np.asfortranarray(mask))["counts"].decode()
    assert decompress(counts).tolist() == run_lengths(mask, "column")


# Six letters a run fill the buffer that pycocotools takes for its text, and its closing zero then lies behind it:
# with 2 ** 24 and more the process was seen to abort. Five letters are enough for less.
@given(st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=12))
def test_compressed_runs_of_any_size_come_back(runs: list[int]) -> None:
    encoded = coco.frPyObjects([{"counts": runs, "size": [sum(runs), 1]}], sum(runs), 1)[0]["counts"].decode()
    # pycocotools holds differences of runs in 32 bits
    assert decompress(encoded).tolist() == runs


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=30))
def test_any_compressed_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert (decompress(text) >= 0).all()


@pytest.mark.parametrize("counts", ["ica0V", "P", "i" * 40, "ica0V3R8O"])
def test_damaged_compressed_strings_are_refused_by_their_path(read: Reader, counts: str) -> None:
    export = proposal_export()
    export.document["annotations"][1]["objects"][0]["mask_rle"] = counts
    error = read.refused(export)
    assert error.code in ("bad_run", "rle_size_mismatch")
    assert error.field == "annotations[1].objects[0].mask_rle"


def test_digits_alone_are_compressed_where_the_size_says_so(read: Reader) -> None:
    export = demo_export((0,), paint=False)
    export.document["annotations"][0]["objects"] = [
        {"object_id": 0, "label": "a", "mask": {"counts": "135", "size": [3, 3]}},
        {"object_id": 1, "label": "b", "mask": {"counts": "9", "size": [3, 3]}},
    ]
    objects = read(export).tables.objects
    assert objects["area_px"].tolist()[1] == 0
    assert coco.decode({"size": [3, 3], "counts": objects["rle_counts"][0]}).sum() == 3


@pytest.mark.parametrize("corners", [False, True])
def test_what_stated_boxes_mean_is_found_from_the_masks(read: Reader, corners: bool) -> None:
    imported = read(proposal_export(corners=corners))
    assert_true(imported)
    decision = imported.decision("box_convention")
    expected = "x, y, x2, y2 in frame pixels" if corners else "x, y, width, height in frame pixels"
    assert decision["choice"] == expected
    assert decision["evidence"]["share"] == [1.0]
    assert set(imported.tables.objects["box_provenance"]) == {"stated"}


def test_boxes_without_one_meaning_are_said_to_have_none(read: Reader) -> None:
    export = proposal_export()
    for frame in export.document["annotations"]:
        frame["objects"][0]["bbox"] = [300, 170, 3, 3]
    imported = read(export)
    assert imported.decision("box_convention")["choice"] == "unknown"
    assert any(warning.startswith("boxes:") for warning in imported.summary.warnings)
    assert_true(imported)


def test_the_demo_s_boxes_are_known_as_those_of_the_transposed_mask(read: Reader) -> None:
    assert decisions(read(demo_export()))["box_convention"] == "y, x, height, width in grid cells"


def test_several_grids_and_writings_in_one_export_are_each_read(read: Reader) -> None:
    export = proposal_export("compressed")
    demo = demo_export(paint=False).document["annotations"]
    for frame, other in zip(export.document["annotations"], demo, strict=True):
        first = frame["objects"][0]
        first["mask_rle"], first["bbox"] = other["objects"][0]["mask_rle"], other["objects"][0]["bbox"]
    imported = read(export)
    assert_true(imported)
    assert decisions(imported)["mask_order"] == "row"
    assert decisions(imported)["mask_order where stated column"] == "column"
    assert set(imported.tables.objects["grid_w"]) == {256, WIDTH}
    assert any("several grids" in warning for warning in imported.summary.warnings)


@pytest.mark.parametrize("field", ["mask", "mask_rle"])
def test_a_size_with_swapped_sides_is_refused(read: Reader, field: str) -> None:
    export = proposal_export()
    target = export.document["annotations"][2]["objects"][1]
    counts = target.pop("mask_rle")
    target[field] = {"counts": counts, "size": [WIDTH, HEIGHT]}
    error = read.refused(export)
    assert (error.code, error.field) == ("mask_size_contradiction", "annotations[2].objects[1]")


def test_a_size_that_two_fields_state_differently_is_refused(read: Reader) -> None:
    export = proposal_export("compressed object")
    export.document["annotations"][0]["objects"][0]["mask_size"] = [4, 4]
    error = read.refused(export)
    assert (error.code, error.field) == ("mask_size_contradiction", "annotations[0].objects[0].mask.size")


def test_the_proposal_s_example_is_read(read: Reader) -> None:
    imported = read(proposal_export())
    assert imported.tables.frames["image"].tolist()[1] == "images/frame_000006.png"
    assert decisions(imported)["layout"] == "version 1"
    assert decisions(imported)["mask_order"] == "column"
    assert imported.tables.objects[["declared_area", "confidence"]].isna().all(axis=None)


def test_objects_with_their_frames_are_read(read: Reader, tmp_path: Path) -> None:
    imported = read(write_zip(tmp_path / "objects.zip", object_major_members()))
    assert_true(imported)
    assert decisions(imported)["layout"] == "object-major"
    assert imported.decision("frame_size")["evidence"] == {"size": "metadata", "length": "metadata"}
    assert (imported.summary.total_frames, imported.summary.image_origins) == (TOTAL, {"export_clean": 4})


def test_one_object_twice_in_a_frame_is_refused_in_that_layout_too(read: Reader, tmp_path: Path) -> None:
    members = object_major_members()
    document = json.loads(members["annotations.json"])
    document["objects"][1]["object_id"] = 0
    members["annotations.json"] = json.dumps(document).encode()
    error = read.refused(write_zip(tmp_path / "objects.zip", members))
    assert (error.code, error.field) == ("duplicate_object", "objects[1].frames[0].object_id")


def test_action_segments_are_one_video_and_keep_their_names(read: Reader, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "segments.zip", members_of(segment_documents()))
    imported = read(path, settings=SIZE)
    assert_true(imported)
    assert decisions(imported)["layout"] == "action segments"
    assert imported.record["segments"][1] == {
        "id": "seg_1",
        "name": "飞行 ‹image›",
        "name_raw": "飞行 <image>",
        "first_frame": 12,
        "last_frame": 23,
        "annotated_frames": 2,
        "objects": {"0": "rocket", "1": "comet"},
    }
    assert read(demo_export()).record["segments"] == []


def test_an_unstated_frame_size_is_asked_for(read: Reader, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "segments.zip", members_of(segment_documents()))
    bare = write_zip(tmp_path / "objects.zip", object_major_members(video_info=False))
    for archive, file in ((path, "segments_index.json"), (bare, "annotations.json")):
        error = read.refused(archive)
        assert (error.code, error.file) == ("frame_size_unknown", file)
        assert "importing.frame_width" in error.remedy
    configured = read(path, settings=SIZE)
    assert configured.decision("frame_size")["evidence"] == {"size": "settings", "length": "last annotated frame"}
    assert configured.summary.total_frames == 19
    assert any("length is not stated" in warning for warning in configured.summary.warnings)


def test_the_source_video_gives_the_frame_size_that_segments_lack(read: Reader, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "segments.zip", members_of(segment_documents()))
    video = write_video(tmp_path / "video.mp4", [scene(i) for i in range(TOTAL)])
    imported = read(path, video=video)
    assert_true(imported)
    assert imported.decision("frame_size")["evidence"] == {"size": "source video", "length": "source video"}
    assert imported.summary.image_origins == {"source_video": 4}
    short = write_video(tmp_path / "short.mp4", [scene(i) for i in range(15)])
    error = read.refused(path, video=short)
    assert (error.code, error.field, error.value) == ("out_of_range", "[1].frame_index", "18")


def test_segments_that_overlap_share_their_frames(read: Reader, tmp_path: Path) -> None:
    documents = segment_documents()
    documents["segment_1/annotations.json"] = segment_frames((6, 12, 18))
    del documents["segment_0/annotations.json"][1]["objects"][1]
    imported = read(write_zip(tmp_path / "a.zip", members_of(documents)), settings=SIZE)
    assert_true(imported)
    assert any("1 frames lie outside its range, the first is 6" in warning for warning in imported.summary.warnings)
    documents["segment_1/annotations.json"][0]["objects"][0]["mask_rle"] = "65536"
    error = read.refused(write_zip(tmp_path / "b.zip", members_of(documents)), settings=SIZE)
    assert error.code == "segment_contradiction"
    assert "segment_1/annotations.json: [0].objects[0]" in str(error)


def test_a_segment_s_own_labels_are_held_against_its_frames(read: Reader, tmp_path: Path) -> None:
    documents = segment_documents()
    documents["segment_1/action_segment_seg_1.json"]["objects"][0]["label"] = "plane"
    imported = read(write_zip(tmp_path / "a.zip", members_of(documents)), settings=SIZE)
    assert any("segment_1: objects [0] have other labels" in warning for warning in imported.summary.warnings)
    assert imported.record["segments"][1]["objects"]["0"] == "plane"


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda documents: documents.pop(name)


def _set(name: str, *keys: object, value: object) -> Callable[[dict[str, Any]], None]:
    def change(documents: dict[str, Any]) -> None:
        target: Any = documents[name]
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_drop("segment_1/annotations.json"), "segment_missing"),
        (_set("segments_index.json", "segments", value=[]), "segment_contradiction"),
        (_set("segments_index.json", "segments", 0, "frame_range", value=[9, 3]), "out_of_range"),
        (_set("segments_index.json", "segments", 0, "folder", value="elsewhere"), "segment_missing"),
        (_set("segments_index.json", "segments", 0, "segment_name", value=None), "missing_field"),
        (_set("segment_1/metadata.json", "session_id", value="other"), "several_exports"),
        (_set("segment_0/annotations.json", 0, "objects", value={}), "wrong_type"),
    ],
)
def test_segments_that_do_not_fit_their_index_are_refused(
    read: Reader, tmp_path: Path, change: Callable[[dict[str, Any]], None], code: str
) -> None:
    documents = segment_documents()
    change(documents)
    assert read.refused(write_zip(tmp_path / "a.zip", members_of(documents)), settings=SIZE).code == code


@pytest.mark.parametrize(("bound", "value"), [("max_objects", 7), ("max_document_bytes", 6_000)])
def test_bounds_hold_for_all_segments_together(read: Reader, tmp_path: Path, bound: str, value: int) -> None:
    members = members_of(segment_documents())
    assert max(map(len, members.values())) < 6_000 < sum(map(len, members.values()))
    error = read.refused(write_zip(tmp_path / "a.zip", members), settings={**SIZE, bound: value})
    assert error.field in (bound, "objects")


def test_a_segment_s_folder_alone_is_read_too(read: Reader, tmp_path: Path) -> None:
    members = {"segment_0/annotations.json": json.dumps(segment_frames(INDICES)).encode()}
    imported = read(write_zip(tmp_path / "one.zip", members), settings=SIZE)
    assert_true(imported)
    assert decisions(imported)["layout"] == "list of frames"


@pytest.mark.parametrize("document", [{}, {"frames": []}, 5, "x"])
def test_other_documents_are_refused(read: Reader, tmp_path: Path, document: object) -> None:
    path = write_zip(tmp_path / "other.zip", {"annotations.json": json.dumps(document).encode()})
    assert read.refused(path).code == ("unsupported_layout" if isinstance(document, dict) else "wrong_type")


def test_the_label_map_holds_in_every_layout(read: Reader, tmp_path: Path) -> None:
    label_map = {"label_map": {"comet": "ice ball"}}
    layouts = [
        write_zip(tmp_path / "objects.zip", object_major_members()),
        write_zip(tmp_path / "segments.zip", members_of(segment_documents())),
        proposal_export(),
    ]
    for layout in layouts:
        imported = read(layout, settings={**SIZE, **label_map})
        assert imported.tables.objects["label"].tolist() == ["rocket", "ice ball"] * 4


def test_a_mask_without_any_runs_field_is_missing_by_its_usual_name(read: Reader) -> None:
    export = proposal_export()
    export.document["annotations"][0]["objects"][0] = {"object_id": 0, "label": "a"}
    error = read.refused(export)
    assert (error.code, error.field) == ("missing_field", "annotations[0].objects[0].mask_rle")


def test_negative_runs_of_a_list_are_refused_by_their_place(read: Reader) -> None:
    export = proposal_export("list")
    export.document["annotations"][0]["objects"][0]["mask_rle"][3] = -7
    error = read.refused(export)
    assert (error.code, error.field) == ("negative_run", "annotations[0].objects[0].mask_rle[3]")
    assert mask_fields(truth(0)[0], "list")["mask_rle"][3] > 0
