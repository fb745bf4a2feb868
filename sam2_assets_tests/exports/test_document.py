"""Every wrong value in ``annotations.json`` is refused with file, path and value."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import Document
from sam2_assets.exports.fields import Field
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.reading import parse_root
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.exports.video_facts import VideoFacts
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import demo_export

OBJECT = "annotations[1].objects[0]"
SMALL = demo_export((0,)).document


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        *parents, last = path.replace("[", ".").replace("]", "").split(".")
        for key in parents:
            target = target[int(key)] if isinstance(target, list) else target[key]
        target[int(last) if isinstance(target, list) else last] = value

    return change


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (f"{OBJECT}.mask_rle", "7 -3 65532", "negative_run"),
        (f"{OBJECT}.mask_rle", "7 3.5 65525", "bad_run"),
        (f"{OBJECT}.mask_rle", "", "empty_runs"),
        (f"{OBJECT}.mask_rle", "7 3 65525", "rle_size_mismatch"),
        (f"{OBJECT}.mask_rle", "0", "rle_size_mismatch"),
        (f"{OBJECT}.mask_rle", [1, 2, 3], "rle_size_mismatch"),
        (f"{OBJECT}.mask_rle", True, "wrong_type"),
        (f"{OBJECT}.mask_rle", "ica0V3R800000", "rle_size_mismatch"),
        (f"{OBJECT}.object_id", -1, "out_of_range"),
        (f"{OBJECT}.object_id", True, "wrong_type"),
        (f"{OBJECT}.object_id", 1.0, "wrong_type"),
        (f"{OBJECT}.label", 5, "wrong_type"),
        (f"{OBJECT}.label", "x" * 1001, "out_of_range"),
        (f"{OBJECT}.label", None, "missing_field"),
        (f"{OBJECT}.bbox", [1, 2, 3], "wrong_type"),
        (f"{OBJECT}.area", -5, "out_of_range"),
        (f"{OBJECT}.area", 1e300, "out_of_range"),
        (f"{OBJECT}.confidence", "high", "wrong_type"),
        (f"{OBJECT}.mask_order", "diagonal", "bad_mask_order"),
        ("annotations[1].objects", {}, "wrong_type"),
        ("annotations[1].frame_index", 24, "out_of_range"),
        ("annotations[1].frame_index", -1, "out_of_range"),
        ("annotations[1].frame_index", "6", "wrong_type"),
        ("annotations[1].frame_index", 0, "duplicate_frame"),
        ("annotations[1].timestamp_sec", -0.1, "out_of_range"),
        ("annotations", [], "out_of_range"),
        ("video.width", 0, "out_of_range"),
        ("video.height", 10**6, "out_of_range"),
        ("video.total_frames", None, "missing_field"),
        ("video", [], "wrong_type"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(read: Reader, field: str, value: object, code: str) -> None:
    export = demo_export()
    _set(field, value)(export.document)
    error = read.refused(export)
    assert (error.code, error.file, error.field) == (code, "annotations.json", field)


def test_one_object_id_twice_in_a_frame_is_refused(read: Reader) -> None:
    export = demo_export()
    export.document["annotations"][2]["objects"][1]["object_id"] = 0
    error = read.refused(export)
    assert (error.code, error.field) == ("duplicate_object", "annotations[2].objects[1].object_id")


def test_a_stated_size_must_fit_the_runs(read: Reader) -> None:
    export = demo_export()
    export.document["annotations"][0]["objects"][1]["mask_size"] = [128, 256]
    error = read.refused(export)
    assert error.code == "rle_size_mismatch"
    assert error.field == "annotations[0].objects[1].mask_rle"
    assert "32768" in str(error)
    assert error.value == "65536"


def read_bytes(data: bytes) -> Document:
    facts = VideoFacts(320, 180, 24, "settings")
    root = parse_json(data, "annotations.json", ImportSettings())
    return parse_root(Field("annotations.json", "", root), lambda: facts)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ExportError):
        read_bytes(data)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists), st.data())
def test_any_value_anywhere_is_read_or_refused(value: object, data: st.DataObject) -> None:
    document = copy.deepcopy(SMALL)
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]
    with contextlib.suppress(ExportError):
        read_bytes(json.dumps(document).encode())
