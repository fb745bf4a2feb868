"""Answers survive the way out and back, and nothing a model writes breaks the parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.coordinates import Box, Convention, ImageGeometry, from_model, iou, model_text
from sam2_assets.training.answers import ParsedObject, parse_answer

SHAPES = [(640, 360), (1280, 720), (720, 1280), (1920, 1080), (500, 500)]
LABELS = ["rocket", "blue car", "Pferd №2", "car [left]", "鱼", "a.b"]


def test_each_line_is_one_object_in_order() -> None:
    parsed = parse_answer("rocket [0.12, 0.34, 0.56, 0.78]\n\nblue car [1, 2, 300, 4]\n")
    assert parsed == [
        ParsedObject("rocket", (0.12, 0.34, 0.56, 0.78)),
        ParsedObject("blue car", (1.0, 2.0, 300.0, 4.0)),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rocket", ParsedObject("rocket", None)),
        ("rocket [0.1, 0.2, 0.3]", ParsedObject("rocket", None)),
        ("rocket [0.1, 0.2, 0.3, 0.4, 0.5]", ParsedObject("rocket", None)),
        ("rocket [0.12, 0.3", ParsedObject("rocket", None)),
        ("rocket [1..2, 3, 4, 5]", ParsedObject("rocket [1..2, 3, 4, 5]", None)),
        ("car [left] [0.1,.2, 0.3 ,4.]", ParsedObject("car [left]", (0.1, 0.2, 0.3, 4.0))),
        ("  rocket  [-1, +2, 3, 4].", ParsedObject("rocket", (-1.0, 2.0, 3.0, 4.0))),
        ("rocket [" + "9" * 400 + ", 1, 2, 3]", ParsedObject("rocket", None)),
    ],
)
def test_what_has_no_four_numbers_keeps_its_label_and_has_no_box(line: str, expected: ParsedObject) -> None:
    assert parse_answer(line) == [expected]


@pytest.mark.parametrize("text", ["", "\n \n", "[0.1, 0.2, 0.3, 0.4]"])
def test_a_line_that_names_nothing_is_no_object(text: str) -> None:
    assert parse_answer(text) == []


@given(st.text() | st.text(alphabet="a[]0123456789.,-+ \n"))
def test_no_text_breaks_the_parser(text: str) -> None:
    for parsed in parse_answer(text):
        assert parsed.label.strip()
        assert parsed.numbers is None or len(parsed.numbers) == 4


@st.composite
def _framed_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], Box]:
    width, height = draw(st.sampled_from(SHAPES))
    w, h = draw(st.floats(100, width)), draw(st.floats(100, height))
    return (width, height), (draw(st.floats(0, width - w)), draw(st.floats(0, height - h)), w, h)


def _round_trip(box: Box, label: str, convention: Convention, geometry: ImageGeometry) -> float:
    (parsed,) = parse_answer(f"{label} {model_text(box, convention, geometry)}")
    assert parsed.label == label
    assert parsed.numbers is not None
    return iou(from_model(parsed.numbers, convention, geometry), box)


@given(_framed_boxes(), st.sampled_from(LABELS))
def test_pixels_and_thousandths_come_back_within_their_rounding(
    framed: tuple[tuple[int, int], Box], label: str
) -> None:
    frame, box = framed
    resized = (round(frame[0] / 28) * 28, round(frame[1] / 28) * 28)
    for convention in (Convention.RESIZED_PIXELS, Convention.THOUSANDTHS):
        # Each edge moves by at most half a unit; boxes below about 100 units lose more than 0.02.
        unit = max(frame) / 1000 if convention is Convention.THOUSANDTHS else 1.03
        bound = _worst_iou(box, unit)
        assert _round_trip(box, label, convention, ImageGeometry(frame, resized)) >= bound - 1e-9
        if min(box[2:]) >= 100 * max(unit, 1.0):
            assert bound >= 0.979


@given(_framed_boxes(), st.sampled_from(LABELS))
def test_llava_boxes_come_back_within_a_hundredth_of_the_longer_side(
    framed: tuple[tuple[int, int], Box], label: str
) -> None:
    frame, box = framed
    measured = _round_trip(box, label, Convention.PADDED_UNIT_SQUARE, ImageGeometry(frame))
    assert measured >= _worst_iou(box, max(frame) / 100) - 1e-9


def _worst_iou(box: Box, unit: float) -> float:
    """Least IoU when every edge of ``box`` moves by at most half a ``unit``: all inwards, or opposite shifts."""
    shrunk = max(1 - unit / box[2], 0) * max(1 - unit / box[3], 0)
    shifted = max(box[2] - unit / 2, 0) * max(box[3] - unit / 2, 0)
    return min(shrunk, shifted / (2 * box[2] * box[3] - shifted), 1 / ((1 + unit / box[2]) * (1 + unit / box[3])))


@pytest.mark.parametrize("frame", SHAPES)
def test_pixels_and_thousandths_lose_under_two_hundredths_for_typical_boxes(frame: tuple[int, int]) -> None:
    resized = (round(frame[0] / 28) * 28, round(frame[1] / 28) * 28)
    geometry = ImageGeometry(frame, resized)
    for step in range(60):
        box = (17.3 + 1.37 * step, 11.9 + 2.11 * step, 110.0 + 1.9 * step, 104.0 + 1.1 * step)
        for convention in (Convention.RESIZED_PIXELS, Convention.THOUSANDTHS):
            assert _round_trip(box, "rocket", convention, geometry) >= (0.98 if max(frame) <= 1280 else 0.965)
