"""JSON text is bounded before it is parsed, and never says one thing twice unnoticed."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import ExportError
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.settings import ImportSettings

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Loops are compiled at their first call, which no example's deadline allows for."""
    parse_json(b"{}", "a.json", ImportSettings())


def refused(data: bytes, **bounds: int) -> ExportError:
    with pytest.raises(ExportError) as caught:
        parse_json(data, "a.json", ImportSettings.model_validate(bounds))
    return caught.value


@given(JSON, st.booleans(), st.sampled_from([None, 1]), st.sampled_from([":", " : ", ": ", "\n:"]))
def test_what_json_writes_is_read_whatever_its_spelling(
    value: Any, ascii: bool, indent: int | None, colon: str
) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent, separators=(",", colon))
    with contextlib.suppress(UnicodeEncodeError):
        assert parse_json(text.encode(), "a.json", ImportSettings()) == value


@given(st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=4), st.data(), st.sampled_from([":", " :"]))
def test_a_key_that_is_there_twice_is_refused(value: dict[str, Any], data: st.DataObject, colon: str) -> None:
    key = json.dumps(data.draw(st.sampled_from(sorted(value))))
    text = json.dumps(value)[:-1] + f", {key}{colon} 1}}"
    assert refused(text.encode()).code == "duplicate_key"


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 1}',
        b'{"a" : 1, "a": 1}',
        b'{"a\\":": 1, "a\\":": 1}',
        b'{"x": ":\\":", "b" : 1, "b" : 2, "c": ":"}',
        b'[{"deep": [{"a": 1, "b": 2, "a": 3}]}]',
    ],
)
def test_spelling_does_not_hide_a_second_key(text: bytes) -> None:
    assert refused(text).code == "duplicate_key"


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("before", [*range(20), 5_000])
def test_a_second_key_is_found_wherever_it_stands(before: int, repeated: bool) -> None:
    second = "a" if repeated else "c"
    long = {"x": "1 \\" * before, **{f"k{i}": i for i in range(before)}}
    deep = min(before, 100)
    texts = [
        json.dumps(long)[:-1] + f', "a": "{"7" * before}", "b": {{"a": 1}}, "{second}": 1}}',
        '[{"a":' * deep + f'{{"a": {{"a": 1}}, "{second}": 2}}' + "}]" * deep,
    ]
    for text in texts:
        if repeated:
            assert refused(text.encode()).code == "duplicate_key"
        else:
            assert parse_json(text.encode(), "a.json", ImportSettings()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e999",
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"",
        b'"\x01"',
        b"{} {}",
        b"// c\n{}",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    assert refused(text).code == "bad_json"


@pytest.mark.parametrize(("encoding", "place"), [("cp1252", "byte 0xfc in line 2"), ("utf-16", "byte 0xff in line 1")])
def test_another_encoding_is_named_with_its_place(encoding: str, place: str) -> None:
    error = refused('{\n"label": "Hündchen"}'.encode(encoding))
    assert (error.code, place in str(error), "save it again as UTF-8" in error.remedy) == ("bad_json", True, True)


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'{"":0},', b"0.5,", b'"",', b"[[[]]],"])
def test_small_texts_that_become_large_values_are_refused_unparsed(unit: bytes) -> None:
    text = b"[" + unit * 200_000 + b"0]"
    tracemalloc.start()
    error = refused(text, max_document_values=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.code, error.field) == ("document_too_large", "max_document_values")
    assert peak < 1024**2


def test_a_text_beyond_its_bound_is_refused() -> None:
    error = refused(b'"' + b"x" * 100 + b'"', max_document_bytes=50)
    assert (error.code, error.field, error.value) == ("document_too_large", "max_document_bytes", "102")
