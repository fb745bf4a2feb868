"""Run-length text is read as pycocotools writes it, and anything else is refused instead of believed."""

from __future__ import annotations

import cv2
import numpy as np
import pycocotools.mask as coco
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sam2_assets.quality.runs import MaskMeasure, RunsError, decode_runs, measure_all, measure_mask

MASKS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.integers(0, 1))


def encode(mask: np.ndarray) -> str:
    return str(coco.encode(np.asfortranarray(mask))["counts"].decode("ascii"))


@settings(max_examples=150, deadline=None)
@given(mask=MASKS)
def test_box_and_area_equal_pycocotools_where_grid_and_frame_agree(mask: np.ndarray) -> None:
    rows, columns = mask.shape
    measured = measure_mask(encode(mask), (rows, columns), (columns, rows))
    rle = coco.encode(np.asfortranarray(mask))
    assert measured.area_nearest == measured.area_scaled == float(coco.area(rle))
    assert measured.box == tuple(coco.toBbox(rle).tolist())
    assert measured.empty is not bool(mask.any())


@settings(max_examples=100, deadline=None)
@given(mask=MASKS, width=st.integers(1, 70), height=st.integers(1, 70))
def test_box_and_area_equal_those_of_the_enlarged_mask(mask: np.ndarray, width: int, height: int) -> None:
    enlarged = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    measured = measure_mask(encode(mask), mask.shape, (width, height))
    assert measured.area_nearest == float(enlarged.sum())
    if width >= mask.shape[1] and height >= mask.shape[0]:
        assert measured.box == tuple(coco.toBbox(coco.encode(np.asfortranarray(enlarged))).tolist())


@settings(max_examples=200, deadline=None)
@given(runs=st.lists(st.integers(0, 10**7), min_size=1, max_size=30))
def test_runs_survive_the_compressed_text(runs: list[int]) -> None:
    size = sum(runs)
    text = coco.frPyObjects({"counts": runs, "size": [size, 1]}, size, 1)["counts"].decode("ascii")
    assert decode_runs(text).tolist() == runs


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet=[chr(c) for c in range(48, 112)], max_size=40)))
def test_any_other_text_is_either_whole_runs_of_the_grid_or_refused(text: str) -> None:
    try:
        runs = decode_runs(text)
    except RunsError:
        return
    assert (runs >= 0).all()
    again = coco.frPyObjects({"counts": runs.tolist(), "size": [int(runs.sum()), 1]}, 1, 1)["counts"].decode("ascii")
    assert decode_runs(again).tolist() == runs.tolist()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("12 34", "' '"),
        ("5é", "'é'"),
        ("p", "'p'"),
        ("5o", "cut off"),
        ("oooooooo0", "too many digits"),
        ("O", "negative length"),
        ("PPPPP[4", "more than 32 bits"),
        ("6", "add up to 6"),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(RunsError, match=why):
        measure_mask(text, (3, 4), (4, 3))


DAMAGED = st.one_of(
    st.text(max_size=12), st.text(alphabet=[chr(c) for c in range(47, 113)], max_size=12), st.just("0" * 6 + "?")
)


@st.composite
def texts_with_shapes(draw: st.DrawFn) -> list[tuple[str, tuple[int, int, int, int]]]:
    masks = draw(st.lists(MASKS, min_size=1, max_size=4))
    frames = st.tuples(st.integers(1, 70), st.integers(1, 70))
    sound = [(encode(mask), (*mask.shape, *draw(frames))) for mask in masks]
    damaged = [(draw(DAMAGED), draw(st.sampled_from(sound))[1]) for _ in range(draw(st.integers(0, 3)))]
    return draw(st.permutations(sound + damaged))


def one_by_one(counts: str, shape: tuple[int, int, int, int]) -> tuple[MaskMeasure, str]:
    try:
        return measure_mask(counts, shape[:2], shape[2:]), ""
    except RunsError as error:
        return MaskMeasure((0.0, 0.0, 0.0, 0.0), 0.0, 0.0), str(error)


@settings(max_examples=300, deadline=None)
@given(masks=texts_with_shapes())
def test_all_masks_at_once_measure_as_one_by_one_whichever_are_damaged(
    masks: list[tuple[str, tuple[int, int, int, int]]],
) -> None:
    measured = measure_all([text for text, _ in masks], np.array([shape for _, shape in masks], np.int64))
    for i, (text, shape) in enumerate(masks):
        expected, problem = one_by_one(text, shape)
        assert measured.problems[i] == problem
        assert tuple(measured.boxes[i].tolist()) == expected.box
        assert measured.area_nearest[i] == expected.area_nearest
        assert measured.area_scaled[i] == expected.area_scaled


def test_no_masks_measure_to_nothing() -> None:
    assert measure_all([], np.zeros((0, 4), np.int64)).boxes.shape == (0, 4)
