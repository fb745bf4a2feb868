"""Frames read column by column are those read one field after another, and whatever is odd is left to the latter."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_assets.errors import ExportError
from sam2_assets.exports import document
from sam2_assets.exports.document import FrameRecord, parse_frames
from sam2_assets.exports.fields import Field

FRAMES = 40
OBJECT = st.fixed_dictionaries(
    {
        "label": st.text(max_size=5),
        "mask_rle": st.one_of(
            st.just("65536"), st.lists(st.integers(0, 999), min_size=1).map(lambda runs: " ".join(map(str, runs)))
        ),
        "bbox": st.lists(st.one_of(st.integers(-9, 999), st.floats(-9, 999)), min_size=4, max_size=4),
        "area": st.one_of(st.integers(0, 999), st.floats(0, 999)),
        "confidence": st.one_of(st.integers(0, 1), st.floats(0, 1)),
    }
)
ODD_NUMBERS = [None, True, -1, 41, 2**31, 2.5, 1e10]
ODD_TEXTS = ["", "text", "x" * 1001, "12o4", "٣", "²", "1 2"]
ODD_LISTS = [[], [1, 2], [1, 2, 3, "4"], [1, 2, 3, True], [1, 2, 3, 1e10], {}, {"counts": [1, 2]}]
ODD = st.sampled_from([*ODD_NUMBERS, *ODD_TEXTS, *ODD_LISTS])
FIELDS = ["object_id", "label", "mask_rle", "bbox", "area", "confidence", "mask_size", "mask_order", "mask", "other"]


@st.composite
def plain(draw: st.DrawFn) -> list[dict[str, Any]]:
    indices = draw(st.lists(st.integers(0, FRAMES - 1), min_size=1, max_size=4, unique=True))
    frames = []
    for index in indices:
        ids = draw(st.lists(st.integers(0, 2**31 - 1), max_size=3, unique=True))
        objects = [{"object_id": object_id, **draw(OBJECT)} for object_id in ids]
        time = draw(st.one_of(st.integers(0, 9), st.floats(0, 9)))
        frames.append({"frame_index": index, "timestamp_sec": time, "objects": objects})
    return frames


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    frames: Any = copy.deepcopy(draw(plain()))
    for _ in range(draw(st.integers(1, 2))):
        frame = draw(st.sampled_from(frames))
        records = [each for each in frame.get("objects") or [] if isinstance(each, dict)] if frame else []
        if records and draw(st.booleans()):
            record, field = draw(st.sampled_from(records)), draw(st.sampled_from(FIELDS))
        else:
            record, field = frame, draw(st.sampled_from(["frame_index", "timestamp_sec", "objects", "timestamp"]))
        if draw(st.booleans()):
            record[field] = draw(ODD)
        else:
            record.pop(field, None)
        if field == "objects" and not isinstance(record.get(field), list):
            break
    return frames


def read(frames: Any) -> tuple[FrameRecord, ...] | tuple[str, str | None, str | None]:
    try:
        return parse_frames(Field("annotations.json", "annotations", frames), FRAMES)
    except ExportError as error:
        return error.code, error.field, error.value


def read_carefully(frames: Any) -> tuple[FrameRecord, ...] | tuple[str, str | None, str | None]:
    with mock.patch.object(document, "plain_records", return_value=None):
        return read(frames)


@settings(deadline=None, max_examples=100)
@given(plain())
def test_what_the_demo_writes_is_read_by_columns_and_alike(frames: list[dict[str, Any]]) -> None:
    with mock.patch.object(document, "_frame", side_effect=AssertionError("read one field after another")):
        found = read(frames)
    assert found == read_carefully(frames)
    assert repr(found) == repr(read_carefully(frames))  # 1 and 1.0 are equal, but not the same


@settings(deadline=None, max_examples=400)
@given(damaged())
def test_what_is_odd_is_read_or_refused_as_by_fields(frames: Any) -> None:
    assert repr(read(frames)) == repr(read_carefully(frames))


@pytest.mark.parametrize("frames", [[], {}, None, [[]], [{"frame_index": 0, "timestamp_sec": 0, "objects": {}}]])
def test_what_is_no_list_of_frames_is_refused_as_by_fields(frames: Any) -> None:
    assert isinstance(read(frames)[0], str)
    assert read(frames) == read_carefully(frames)


def test_repeated_frames_and_objects_are_refused_in_plain_records() -> None:
    record = {"object_id": 3, "label": "dog", "mask_rle": "1 2", "bbox": [0, 0, 0, 0], "area": 0, "confidence": 1}
    frame = {"frame_index": 1, "timestamp_sec": 0.1, "objects": [record]}
    assert read([frame, frame]) == ("duplicate_frame", "annotations[1].frame_index", "1")
    twice = {**frame, "objects": [record, record]}
    assert read([twice]) == ("duplicate_object", "annotations[0].objects[1].object_id", "3")
