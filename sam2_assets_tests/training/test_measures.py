from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.training.measures import Answer, Kind, Located, kind_of, match_greedily, measure, same_label
from sam2_assets_tests.evaluation.builders import sample

BOX = (10.0, 10.0, 20.0, 20.0)
HALF = (10.0, 10.0, 20.0, 10.0)
FAR = (100.0, 100.0, 5.0, 5.0)

coordinate = st.integers(0, 500).map(lambda tenths: tenths / 10)
located = st.builds(
    Located, st.sampled_from(["cat", "Cat", "dog"]), st.tuples(coordinate, coordinate, coordinate, coordinate)
)


def answer(*objects: tuple[str, tuple[float, float, float, float]]) -> Answer:
    return Answer("as written", tuple(Located(*o) for o in objects), objects[0][0] if objects else None)


def test_labels_are_compared_without_case_and_white_space() -> None:
    assert same_label("Traffic  Light ", "traffic light")
    assert same_label("STRASSE", "straße")
    assert not same_label("cat", "cats")


def test_one_object_judges_label_and_box_apart() -> None:
    truth = [Located("cat", BOX)]
    wrong_label = measure(Kind.ONE_OBJECT, "", truth, answer(("dog", HALF)))
    assert (wrong_label.correct, wrong_label.ious, wrong_label.found) == (False, (0.5,), 0)
    wrong_box = measure(Kind.ONE_OBJECT, "", truth, answer(("Cat", FAR)))
    assert (wrong_box.correct, wrong_box.ious, wrong_box.found) == (True, (0.0,), 0)


def test_only_the_first_object_of_a_one_object_answer_counts() -> None:
    measured = measure(Kind.ONE_OBJECT, "", [Located("cat", BOX)], answer(("dog", FAR), ("cat", BOX)))
    assert (measured.correct, measured.ious, measured.claimed) == (False, (0.0,), 1)


def test_an_answer_without_boxes_is_unreadable_wrong_and_of_iou_zero() -> None:
    for kind in (Kind.ONE_OBJECT, Kind.DETECTION):
        measured = measure(kind, "", [Located("cat", BOX)], Answer("cat, somewhere on the left"))
        assert measured.unreadable
        assert not measured.correct
        assert measured.ious == (0.0,)


def test_a_label_without_a_readable_box_is_still_a_right_label() -> None:
    measured = measure(Kind.ONE_OBJECT, "", [Located("cat", BOX)], Answer("cat [0.1, 0.2", (), "cat"))
    assert (measured.correct, measured.unreadable, measured.ious) == (True, True, (0.0,))


def test_detection_counts_found_claimed_and_true_objects() -> None:
    truth = [Located("cat", BOX), Located("cat", FAR), Located("dog", BOX)]
    measured = measure(Kind.DETECTION, "", truth, answer(("cat", HALF), ("dog", FAR), ("bird", BOX)))
    assert (measured.found, measured.claimed, measured.true) == (1, 3, 3)
    assert measured.ious == (0.5, 0.0, 0.0)
    assert not measured.correct


def test_detection_is_right_only_if_everything_is_found_and_nothing_invented() -> None:
    truth = [Located("cat", BOX)]
    assert measure(Kind.DETECTION, "", truth, answer(("cat", BOX))).correct
    assert not measure(Kind.DETECTION, "", truth, answer(("cat", BOX), ("cat", BOX))).correct


def test_the_best_overlap_is_matched_first_and_each_object_once() -> None:
    truth = [Located("cat", BOX), Located("cat", HALF)]
    claimed = [Located("cat", HALF), Located("cat", BOX)]
    assert [(i, j) for i, j, _ in match_greedily(truth, claimed, least=0.5)] == [(0, 1), (1, 0)]


@given(st.lists(located, max_size=6), st.lists(located, max_size=6), st.floats(0, 1))
def test_a_match_uses_every_object_at_most_once_and_keeps_to_label_and_threshold(
    truth: list[Located], claimed: list[Located], least: float
) -> None:
    pairs = match_greedily(truth, claimed, least=least)
    assert len({i for i, _, _ in pairs}) == len({j for _, j, _ in pairs}) == len(pairs)
    for i, j, overlap in pairs:
        assert same_label(truth[i].label, claimed[j].label)
        assert overlap >= least
        assert 0 < overlap <= 1 + 1e-9


def test_text_tasks_compare_the_words() -> None:
    assert measure(Kind.TEXT, "cat: 2\ndog: 1", (), Answer("Cat: 2 dog: 1")).correct
    assert not measure(Kind.TEXT, "cat: 2", (), Answer("cat: 3")).correct


@pytest.mark.parametrize(
    ("task", "text", "kind"),
    [
        ("main_object", None, Kind.ONE_OBJECT),
        ("detect", None, Kind.DETECTION),
        ("locate", None, Kind.DETECTION),
        ("count", "cat: 1", Kind.TEXT),
    ],
)
def test_the_kind_of_a_task_follows_from_its_name_and_its_boxes(task: str, text: str | None, kind: Kind) -> None:
    assert kind_of(task, [sample(task=task, answer=text)]) is kind
