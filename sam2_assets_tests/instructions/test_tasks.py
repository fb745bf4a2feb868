from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.instructions import TASKS, InstructionSettings, RowObject, build_dataset, read_rows
from sam2_assets.instructions.tasks import converse, phrasings
from sam2_assets.tables import Tables

LABELS = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1, max_size=12
).filter(lambda text: "<" not in text and text.strip() == text)
LINE = re.compile(r"(?P<label>.+) <\|box:(?P<index>\d+)\|>")


@st.composite
def found_objects(draw: st.DrawFn) -> list[RowObject]:
    labels = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    ids = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=8)))
    return [
        RowObject(
            i, draw(st.sampled_from(labels)), (float(i), 0.0, 2.0, 2.0), draw(st.sampled_from([1.0, 4.0])), (1, 1), ""
        )
        for i in ids
    ]


def parsed(answer: str) -> list[tuple[str, int]]:
    matches = [LINE.fullmatch(line) for line in answer.split("\n")]
    return [(match["label"], int(match["index"])) for match in matches if match]


def ask(objects: list[RowObject], task: str, seed: int = 0, frame: int = 0) -> tuple[str, str]:
    (conversation,) = converse("v", frame, objects, tasks=[task], questions={}, seed=seed)
    assert conversation.task == task
    return conversation.question, conversation.answer


@given(found_objects())
def test_detect_names_every_object_in_order_of_its_id(objects: list[RowObject]) -> None:
    _, answer = ask(objects, "detect")
    assert parsed(answer) == [(o.label, i) for i, o in enumerate(objects)]


@given(found_objects())
def test_main_object_is_the_largest_and_of_equals_the_first(objects: list[RowObject]) -> None:
    _, answer = ask(objects, "main_object")
    ((label, index),) = parsed(answer)
    areas = [o.area_px for o in objects]
    assert index == areas.index(max(areas))
    assert label == objects[index].label


@given(found_objects())
def test_count_adds_up(objects: list[RowObject]) -> None:
    _, answer = ask(objects, "count")
    lines = [line.rpartition(": ") for line in answer.split("\n")]
    assert {label: int(number) for label, _, number in lines} == Counter(o.label for o in objects)


@given(found_objects(), st.integers(0, 20))
def test_locate_names_exactly_the_objects_of_the_label_in_the_question(objects: list[RowObject], frame: int) -> None:
    question, answer = ask(objects, "locate", frame=frame)
    found = parsed(answer)
    ((label),) = {label for label, _ in found}
    assert any(variant.replace("{label}", label) == question for variant in phrasings("locate"))
    assert [index for _, index in found] == [i for i, o in enumerate(objects) if o.label == label]


def test_every_answer_of_a_dataset_says_what_the_tables_say(raw: Path, dataset: Path) -> None:
    table = Tables.read(raw).objects
    asked = Counter[str]()
    for row in read_rows(dataset, pictures=False):
        of_frame = table[(table["frame_index"] == row.frame_index) & ~table["empty"]]
        for sample in row.samples():
            asked[sample.task] += 1
            assert sample.sample_id == f"{row.video_id}/{row.frame_index}/{sample.task}"
            if sample.task == "detect":
                found = [(o.object_id, o.label, o.box) for o in sample.answered_objects()]
                assert found == [
                    (o.object_id, o.label, (o.box_x, o.box_y, o.box_w, o.box_h)) for o in of_frame.itertuples()
                ]
            if sample.task == "main_object":
                (largest,) = sample.answered_objects()
                assert largest.object_id == of_frame.loc[of_frame["area_px"].idxmax(), "object_id"]
            if sample.task == "count":
                assert sample.answer == "crate: 2\nrocket – Größe: 1"
    assert asked == dict.fromkeys(TASKS, 12)


def test_phrasings_vary_over_frames_and_hang_on_the_seed_only() -> None:
    objects = [RowObject(0, "cat", (0.0, 0.0, 1.0, 1.0), 1.0, (1, 1), "")]
    for task in TASKS:
        assert len(phrasings(task)) >= 3
        first = [ask(objects, task, seed=0, frame=i)[0] for i in range(60)]
        assert set(first) == {variant.replace("{label}", "cat") for variant in phrasings(task)}
        assert first == [ask(objects, task, seed=0, frame=i)[0] for i in range(60)]
        assert first != [ask(objects, task, seed=1, frame=i)[0] for i in range(60)]


def test_built_in_phrasings_hold_no_prompt_token() -> None:
    for task in TASKS:
        assert all("<" not in question and "\n" not in question for question in phrasings(task))


def test_a_question_of_ones_own_replaces_the_phrasings(raw: Path, tmp_path: Path) -> None:
    settings = InstructionSettings(tasks=["main_object"], formats=[], questions={"main_object": "Was siehst du?"})
    build_dataset(raw, tmp_path / "out", settings)
    asked = {c.question for row in read_rows(tmp_path / "out", pictures=False) for c in row.conversations}
    assert asked == {"Was siehst du?"}
