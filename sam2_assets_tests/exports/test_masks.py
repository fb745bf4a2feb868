"""Run lengths against the reference: numpy masks, OpenCV's enlargement and pycocotools' encoder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import Order
from sam2_assets.exports.masks import decode, measure, pixel_edges
from sam2_assets.exports.runs import intervals, parse_runs
from sam2_assets_tests.exports.export_builder import text

grids = st.tuples(st.integers(1, 24), st.integers(1, 24))
sides = st.integers(1, 80)


@st.composite
def batches(draw: st.DrawFn) -> list[np.ndarray]:
    shape = draw(grids)
    return draw(st.lists(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)), min_size=1, max_size=4))


@given(batches(), st.sampled_from(Order), sides, sides)
def test_run_lengths_measure_like_decoded_and_enlarged_masks(
    masks: list[np.ndarray], order: Order, width: int, height: int
) -> None:
    runs = parse_runs([text(mask, order) for mask in masks], "f", ["m"] * len(masks))
    measured = measure(runs, masks[0].shape, order, width, height)
    for i, mask in enumerate(masks):
        shown = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        assert measured.boxes[i].tolist() == list(cv2.boundingRect(shown))
        assert measured.areas[i] == shown.sum()
        assert measured.counts[i] == coco.encode(np.asfortranarray(mask))["counts"].decode()
        assert np.array_equal(decode(runs.lengths[runs.first[i] : runs.first[i + 1]], mask.shape, order), mask)


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


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), min_size=1, max_size=5))
def test_texts_parse_to_their_numbers_whatever_the_white_space(masks: list[list[int]]) -> None:
    texts = ["\t ".join(map(str, mask)) + " \n" for mask in masks]
    runs = parse_runs(texts, "f", ["m"] * len(masks))
    assert [runs.lengths[a:b].tolist() for a, b in zip(runs.first[:-1], runs.first[1:], strict=True)] == masks
    assert runs.totals().tolist() == [sum(mask) for mask in masks]


def test_zero_runs_inside_a_mask_are_merged_away() -> None:
    runs = parse_runs(["1 2 0 1 2", "0 2 4 0"], "f", ["a", "b"])
    found = intervals(runs, 6)
    assert list(zip(found.mask.tolist(), found.start.tolist(), found.stop.tolist(), strict=True)) == [
        (0, 1, 4),
        (1, 0, 2),
    ]


@pytest.mark.parametrize(
    ("bad", "code", "value"),
    [
        ("3 -4 5", "negative_run", "-4"),
        ("3 4.5", "bad_run", "4.5"),
        ("3 x", "bad_run", "x"),
        ("12345678901 3", "bad_run", "12345678901"),
        ("3 ٣", "bad_run", "٣"),
        ("  ", "empty_runs", "  "),
        ("", "empty_runs", ""),
    ],
)
def test_a_bad_text_is_named_wherever_it_stands(bad: str, code: str, value: str) -> None:
    for place in range(3):
        texts = ["1 2"] * 3
        texts[place] = bad
        with pytest.raises(ExportError) as caught:
            parse_runs(texts, "annotations.json", [f"m{i}" for i in range(3)])
        assert (caught.value.code, caught.value.field, caught.value.value) == (code, f"m{place}", repr(value))
