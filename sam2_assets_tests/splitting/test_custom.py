from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import DatasetError, Sam2AssetsError
from sam2_assets.splitting import SplitSettings, no_leakage, parse_custom, read_splits, split
from sam2_assets_tests.splitting.members import video

CUSTOM = SplitSettings(strategy="custom")
HEADER = "video,first_frame,last_frame,split\n"


def test_a_file_assigns_ranges_by_partition_or_id_and_whole_videos(tmp_path: Path) -> None:
    text = "\ufeff# who: me\nVideo,first_frame,last_frame,split\none, 0, 29,TRAIN\none,40,59,test\n\nid-two,,,val\n"
    parsed = parse_custom(text.encode(), "splits.csv")
    split([video("one"), video("two"), video("three")], tmp_path, CUSTOM, custom=parsed)
    table = read_splits(tmp_path)
    one = table[table["video_id"] == "id-one"]["split"].tolist()
    assert one == ["train"] * 30 + ["guard"] * 10 + ["test"] * 20
    assert set(table[table["video_id"] == "id-two"]["split"]) == {"val"}
    assert set(table[table["video_id"] == "id-three"]["split"]) == {"guard"}
    record = json.loads((tmp_path / "splits.json").read_text())
    assert record["custom"]["file"] == "splits.csv"
    assert len(record["custom"]["sha256"]) == 64
    statuses = {entry["partition"]: (entry["status"], entry["reason"]) for entry in record["videos"]}
    assert statuses["one"] == ("split", None)
    assert statuses["three"] == ("not_used", "splits.csv does not name it: none of its frames is used")
    assert table[table["split"] == "test"]["block"].nunique() == 4
    assert no_leakage(table, CUSTOM).passed


def test_a_corpus_lists_the_lines_about_videos_that_it_does_not_have(tmp_path: Path) -> None:
    parsed = parse_custom((HEADER + "one,,,train\nuno,,,test\n").encode(), "splits.csv")
    split([video("one"), video("two")], tmp_path / "corpus", CUSTOM, custom=parsed)
    found = json.loads((tmp_path / "corpus" / "splits.json").read_text())["custom"]
    assert found["lines_without_video"] == [{"line": 3, "video": "uno"}]
    # One file serves all videos: for each alone the lines of the others say nothing.
    split([video("one")], tmp_path / "alone", CUSTOM, custom=parsed)
    assert json.loads((tmp_path / "alone" / "splits.json").read_text())["custom"]["lines_without_video"] == []


def test_a_file_that_leaks_is_published_and_its_gate_says_so(tmp_path: Path) -> None:
    parsed = parse_custom((HEADER + "one,0,39,train\none,40,59,test\n").encode(), "splits.csv")
    split([video("one")], tmp_path, CUSTOM, custom=parsed)
    gate = no_leakage(read_splits(tmp_path), CUSTOM)
    assert not gate.passed
    assert gate.numbers["frames_near_train"] == 4  # at 5 frames a second, those 0.2 to 0.8 s after the last one


@pytest.mark.parametrize(
    ("text", "code", "field", "value"),
    [
        ("", "custom_header", "line 1: header", ""),
        ("video,split\na,train\n", "custom_header", "line 1: header", "video,split"),
        (HEADER, "custom_empty", None, None),
        (HEADER + "a,0,5\n", "custom_row", "line 2: line", "a,0,5"),
        (HEADER + ",0,5,train\n", "custom_row", "line 2: video", ""),
        (HEADER + "a,0,5,dev\n", "custom_split", "line 2: split", "dev"),
        (HEADER + "# ok\na,0.5,5,train\n", "custom_frame", "line 3: first_frame", "0.5"),
        (HEADER + "a,0,,train\n", "custom_frame", "line 2: last_frame", ""),
        (HEADER + "a,-1,4,train\n", "custom_frame", "line 2: first_frame", "-1"),
        (HEADER + "a,9,5,train\n", "custom_range", "line 2: last_frame", "5"),
        (HEADER + "a,0,9,train\nb,0,9,val\na,9,12,test\n", "custom_contradiction", "line 4: first_frame", 9),
        (HEADER + "a,0,9,train\na,,,test\n", "custom_contradiction", "line 3: first_frame", 0),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused_by_line_field_and_value(
    text: str, code: str, field: str | None, value: object
) -> None:
    with pytest.raises(DatasetError) as caught:
        parse_custom(text.encode(), "splits.csv")
    assert (caught.value.code, caught.value.file, caught.value.field) == (code, "splits.csv", field)
    if value is not None:
        assert caught.value.value == repr(value)


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for data, code in ((None, "custom_missing"), (b"\xff\xfe\x00", "custom_header")):
        with pytest.raises(DatasetError) as caught:
            parse_custom(data, "splits.csv")
        assert caught.value.code == code
    with pytest.raises(DatasetError) as without:
        split([video("one")], tmp_path, CUSTOM)
    assert without.value.code == "custom_missing"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("one,60,99,train\n", "custom_frames_absent", "line 2: first_frame"),
        ("one,0,30,train\nid-one,30,40,test\n", "custom_contradiction", "line 3: first_frame"),
    ],
)
def test_what_only_the_video_can_tell_is_refused_when_it_is_split(
    tmp_path: Path, text: str, code: str, line: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        split([video("one")], tmp_path, CUSTOM, custom=parse_custom((HEADER + text).encode(), "splits.csv"))
    assert (caught.value.code, caught.value.field) == (code, line)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='video,0123-"\n#train e', max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused_with_an_error_of_ours(data: bytes) -> None:
    for prefix in (b"", HEADER.encode()):
        try:
            parsed = parse_custom(prefix + data, "splits.csv")
        except Sam2AssetsError as error:
            assert error.remedy  # noqa: PT017
        else:
            assert all(row.first <= row.last for row in parsed.rows)
