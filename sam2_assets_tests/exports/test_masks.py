"""Run lengths against the reference: numpy masks, OpenCV's enlargement and pycocotools' encoder."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import Order
from sam2_assets.exports.masks import decode, measure, pixel_edges
from sam2_assets.exports.run_loops import set_neighbours
from sam2_assets.exports.runs import parse_runs
from sam2_assets_tests.exports.export_builder import text

grids = st.tuples(st.integers(1, 24), st.integers(1, 24))
sides = st.integers(1, 80)


@st.composite
def batches(draw: st.DrawFn) -> list[np.ndarray]:
    shape = draw(grids)
    return draw(st.lists(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)), min_size=1, max_size=4))


@settings(deadline=None)  # the first call compiles
@given(batches(), st.sampled_from(Order), sides, sides)
def test_run_lengths_measure_like_decoded_and_enlarged_masks(
    masks: list[np.ndarray], order: Order, width: int, height: int
) -> None:
    runs = parse_runs([text(mask, order) for mask in masks], "f", lambda: ["m"] * len(masks))
    measured = measure(runs, masks[0].shape, order, width, height)
    for i, mask in enumerate(masks):
        shown = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        assert measured.boxes[i].tolist() == list(cv2.boundingRect(shown))
        assert measured.areas[i] == shown.sum()
        assert measured.counts[i] == coco.encode(np.asfortranarray(mask))["counts"].decode()
        assert np.array_equal(decode(runs.lengths[runs.first[i] : runs.first[i + 1]], mask.shape, order), mask)


@settings(deadline=None)  # the first call compiles
@given(batches(), st.sampled_from(Order), st.integers(1, 40))
def test_masks_measured_in_portions_of_text_are_those_measured_at_once(
    masks: list[np.ndarray], order: Order, most_text: int
) -> None:
    runs = parse_runs([text(mask, order) for mask in masks], "f", lambda: ["m"] * len(masks))
    left, counts = np.arange(len(masks)), list[str]()
    while len(left):
        part = measure(runs, masks[0].shape, order, 7, 5, left, most_text)
        assert len(part.areas) == 1 or part.offsets[-2] < most_text
        counts += part.counts
        left = left[len(part.areas) :]
    assert counts == measure(runs, masks[0].shape, order, 7, 5).counts


@settings(deadline=None)  # the first call compiles
@given(hnp.arrays(bool, st.integers(1, 60)), st.integers(1, 70))
def test_set_cells_with_a_set_neighbour_are_counted_as_in_the_decoded_mask(cells: np.ndarray, stride: int) -> None:
    lengths = np.array(text(cells[None].astype(np.uint8), Order.ROW).split(), np.int64)
    both, those = (cells[:-stride] & cells[stride:]).sum(), cells[:-stride].sum()
    assert set_neighbours(lengths, stride) == (both, those)


@settings(deadline=None)  # the first call compiles
@given(st.integers(1, 600), st.integers(1, 2200))
def test_pixel_edges_are_those_of_opencv_at_any_size(cells: int, pixels: int) -> None:
    line = np.arange(cells, dtype=np.float32)[None]
    shown = cv2.resize(line, (pixels, 1), interpolation=cv2.INTER_NEAREST)[0].astype(int)
    edges = pixel_edges(cells, pixels)
    assert np.array_equal(np.repeat(np.arange(cells), np.diff(edges)), shown)


def test_opencv_rounds_other_than_exact_division_at_some_sizes() -> None:
    exact = [-(-cell * 322 // 256) for cell in range(257)]
    assert pixel_edges(256, 322).tolist() != exact
    assert pixel_edges(256, 854).tolist() == [-(-cell * 854 // 256) for cell in range(257)]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), min_size=1, max_size=5))
def test_texts_parse_to_their_numbers_whatever_the_white_space(masks: list[list[int]]) -> None:
    texts = ["\t ".join(map(str, mask)) + " \n" for mask in masks]
    runs = parse_runs(texts, "f", lambda: ["m"] * len(masks))
    assert [runs.lengths[a:b].tolist() for a, b in zip(runs.first[:-1], runs.first[1:], strict=True)] == masks
    assert runs.totals().tolist() == [sum(mask) for mask in masks]


@pytest.mark.parametrize("order", Order)
@settings(deadline=None)  # the first call compiles
@given(batches(), st.data())
def test_zero_runs_inside_a_mask_change_nothing(order: Order, masks: list[np.ndarray], data: st.DataObject) -> None:
    shape = masks[0].shape
    plain = [[int(n) for n in text(mask, order).split()] for mask in masks]
    split = [" ".join(map(str, _with_zero_runs(runs, data))) for runs in plain]
    texts = [text(mask, order) for mask in masks]
    whole = measure(parse_runs(texts, "f", lambda: ["m"] * len(masks)), shape, order, 7, 5)
    found = measure(parse_runs(split, "f", lambda: ["m"] * len(masks)), shape, order, 7, 5)
    assert found.counts == whole.counts
    assert found.boxes.tolist() == whole.boxes.tolist()
    assert found.areas.tolist() == whole.areas.tolist()


def _with_zero_runs(runs: list[int], data: st.DataObject) -> list[int]:
    """The same cells, some runs cut in two with a run of no cells between them."""
    cut: list[int] = []
    for run in runs:
        at = data.draw(st.integers(0, run))
        cut += [at, 0, run - at] if data.draw(st.booleans()) else [run]
    return cut


@pytest.mark.parametrize(
    ("bad", "code", "value"),
    [
        ("3 -4 5", "negative_run", "-4"),
        ("3 4.5", "bad_run", "4.5"),
        ("3 x", "bad_run", "x"),
        ("3\x1c4", "bad_run", "3\x1c4"),
        ("2 3\xa04", "bad_run", "3\xa04"),
        ("3 ٣", "bad_run", "٣"),
        ("12345678901 3", "bad_run", "12345678901"),
        ("  ", "empty_runs", "  "),
        ("", "empty_runs", ""),
    ],
)
def test_a_bad_text_is_named_wherever_it_stands(bad: str, code: str, value: str) -> None:
    for place in range(3):
        texts = ["1 2"] * 3
        texts[place] = bad
        with pytest.raises(ExportError) as caught:
            parse_runs(texts, "annotations.json", lambda: [f"m{i}" for i in range(3)])
        assert (caught.value.code, caught.value.field, caught.value.value) == (code, f"m{place}", repr(value))


def read_slowly(texts: list[str]) -> list[list[int]] | tuple[str, int, str]:
    """What ``parse_runs`` promises, one character after another; of several errors: odd characters, none, too long."""
    tokens = [re.split(r"[ \t-\r]+", text) for text in texts]
    tokens = [[token for token in each if token] for each in tokens]
    for i, each in enumerate(tokens):
        for token in each:
            if not set(token) <= set("0123456789"):
                bad = next(t for t in each if not set(t) <= set("0123456789") or len(t) > 10)
                return "negative_run" if bad[0] == "-" and bad[1:].isdigit() else "bad_run", i, repr(bad)
    for i, each in enumerate(tokens):
        if not each:
            return "empty_runs", i, repr(texts[i])
    for i, each in enumerate(tokens):
        for token in each:
            if len(token) > 10:
                return "bad_run", i, repr(token)
    return [[int(token) for token in each] for each in tokens]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.text(alphabet="0123456789 \t\n\x0b-", max_size=30),
            st.text(alphabet="0123456789  -x.\x1c\xa0٣²", max_size=14),
            st.lists(st.integers(0, 10**10 - 1).map(str), min_size=1).map(" ".join),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_texts_read_like_one_character_after_another(texts: list[str]) -> None:
    expected = read_slowly(texts)
    fields = [f"m{i}" for i in range(len(texts))]
    if isinstance(expected, tuple):
        with pytest.raises(ExportError) as caught:
            parse_runs(texts, "f", lambda: fields)
        assert (caught.value.code, caught.value.field, caught.value.value) == (
            expected[0],
            fields[expected[1]],
            expected[2],
        )
    else:
        runs = parse_runs(texts, "f", lambda: fields)
        assert [runs.lengths[a:b].tolist() for a, b in zip(runs.first[:-1], runs.first[1:], strict=True)] == expected
