from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from sam2_assets.coordinates import Convention
from sam2_assets.instructions import TASKS, InstructionSettings, Row, RowObject, build_dataset, read_rows
from sam2_assets.instructions.language import OUTLINES, fill, language, languages, placeholders
from sam2_assets.instructions.polygons import outlines
from sam2_assets.instructions.rows import Conversation
from sam2_assets.instructions.sample import markers
from sam2_assets.instructions.tasks import Earlier, Scene, converse
from sam2_assets.instructions.tasks.referring import referents
from sam2_assets.labels import alike
from sam2_assets.tables import Tables
from sam2_assets.training.answers import parse_answer
from sam2_assets_tests.instructions.raw_builder import Shot, Thing, build_raw
from sam2_assets_tests.instructions.reading_back import outline_iou, read_back

SIZE = (160, 90)
GRID = (18, 32)
LABELS = st.text(
    st.characters(categories=["L", "N", "P", "S"], include_characters=" {}"), min_size=1, max_size=12
).filter(lambda text: "<" not in text and text.strip() == text)


def thing(object_id: int, label: str, cells: tuple[int, int, int, int]) -> RowObject:
    """A rectangle of cells ``(x, y, w, h)`` on the 18 x 32 grid of a frame of 160 x 90."""
    x, y, w, h = cells
    mask = np.zeros(GRID, np.uint8, order="F")
    mask[y : y + h, x : x + w] = 1
    box = (5.0 * x, 5.0 * y, 5.0 * w, 5.0 * h)
    return RowObject(object_id, label, box, 25.0 * w * h, GRID, coco_mask.encode(mask)["counts"].decode())


@st.composite
def found_objects(draw: st.DrawFn) -> list[RowObject]:
    labels = draw(st.lists(LABELS, min_size=1, max_size=3, unique=True))
    ids = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=6)))
    sides = st.tuples(st.integers(0, 27), st.integers(0, 13), st.integers(1, 5), st.integers(1, 5))
    return [thing(i, draw(st.sampled_from(labels)), draw(sides)) for i in ids]


def settings(*tasks: str, **more: object) -> InstructionSettings:
    return InstructionSettings.model_validate({"tasks": list(tasks), **more})


def ask(objects: list[RowObject], chosen: InstructionSettings, frame: int = 0, **scene: object) -> list[Conversation]:
    shown = {o.label.casefold() for o in objects}
    given_scene = {"none_share": chosen.none_share, "absent": [n for n in ("ghost", "yeti") if n not in shown], **scene}
    return list(converse("v", frame, Scene(objects, *SIZE, **given_scene), chosen))  # type: ignore[arg-type]


EVERYTHING = settings(*TASKS, languages=list(languages()), none_share=0.5)


@given(found_objects(), found_objects(), st.integers(0, 20), st.booleans())
def test_no_answer_says_what_the_tables_do_not_have(
    objects: list[RowObject], before: list[RowObject], frame: int, polygons: bool
) -> None:
    points = 24 if polygons else 0
    talks = ask(objects, EVERYTHING, frame, earlier=Earlier(0.5, before), polygon_points=points)
    asked = {talk.task for talk in talks}
    assert asked >= {"detect", "main_object", "count", "describe"}
    if any(len(them) == 1 for them in alike(o.label for o in objects).values()):
        assert asked >= {"locate", "segment"}
    for talk in talks:
        named = read_back(talk, objects, SIZE, languages())
        if talk.task == "detect":
            assert named == list(range(len(objects)))
        if talk.task == "main_object":
            areas = [o.area_px for o in objects]
            assert named == [areas.index(max(areas))]
        if talk.task == "track":
            (marker,) = markers(talk.question)
            (found,) = (objects[i] for i in named)
            assert marker.box in {o.box for o in before if (o.object_id, o.label) == (found.object_id, found.label)}
        sample_row = Row("v", frame, 0.0, *SIZE, tuple(objects), (talk,), "x.png", b"")
        (sample,) = sample_row.samples()
        for convention, resized in ((Convention.PADDED_UNIT_SQUARE, None), (Convention.RESIZED_PIXELS, (320, 180))):
            text = sample.render_answer(convention, resized)
            assert "<|" not in text + sample.render_question(convention, resized)
            if talk.task in {"detect", "main_object", "refer", "track", "segment"}:
                # The reader of the evaluation gets the same labels, each with a box; outlines name nothing.
                parsed = [(line.label, line.numbers is not None) for line in parse_answer(text)]
                assert parsed == [(objects[i].label, True) for i in named]


@given(found_objects(), st.integers(0, 5))
def test_a_relation_means_one_object_and_no_other(objects: list[RowObject], frame: int) -> None:
    scene = Scene(objects, *SIZE)
    middles = [(o.box[0] + o.box[2] / 2, o.box[1] + o.box[3] / 2) for o in objects]
    for index, relation, other in referents(scene):
        rivals = [i for i, o in enumerate(objects) if o.label == objects[index].label and i != index]
        axis = 0 if relation in {"leftmost", "rightmost", "left_of", "right_of"} else 1
        sign = -1 if relation in {"leftmost", "topmost", "left_of", "above"} else 1
        if relation in {"largest", "smallest"}:
            assert rivals
            ratios = [objects[index].area_px / objects[i].area_px for i in rivals]
            assert all(ratio >= 1.5 if relation == "largest" else ratio <= 1 / 1.5 for ratio in ratios)
        elif other:
            (anchor,) = (i for i, o in enumerate(objects) if o.label == other)
            beyond = {i: sign * (middles[i][axis] - middles[anchor][axis]) / SIZE[axis] for i in (index, *rivals)}
            assert beyond.pop(index) >= 0.05 - 1e-9
            assert all(distance <= -0.05 + 1e-9 for distance in beyond.values())
            assert not beside(middles[index][axis], objects[anchor], axis)
            assert not beside(middles[anchor][axis], objects[index], axis)
        else:
            assert rivals
            ahead = [sign * (middles[index][axis] - middles[i][axis]) / SIZE[axis] for i in rivals]
            assert min(ahead) >= 0.05 - 1e-9
            ends = [
                sorted(sign * edge for edge in edges(o, axis)) for o in (objects[index], *(objects[i] for i in rivals))
            ]
            assert all(ends[0][0] > begin and ends[0][1] > end for begin, end in ends[1:])


def edges(found: RowObject, axis: int) -> tuple[float, float]:
    return found.box[axis], found.box[axis] + found.box[axis + 2]


def beside(place: float, found: RowObject, axis: int) -> bool:
    low, high = edges(found, axis)
    return low < place < high


def test_what_spans_the_picture_is_neither_left_of_anything_nor_rightmost() -> None:
    street, cart = thing(0, "street", (0, 8, 24, 4)), thing(1, "cart", (18, 7, 3, 3))
    sides = {(index, relation) for index, relation, _ in referents(Scene([street, cart], *SIZE))}
    assert not sides & {(0, "left_of"), (1, "right_of")}
    near, wide = thing(0, "hedge", (10, 2, 4, 4)), thing(1, "hedge", (0, 8, 32, 4))
    assert {r for _, r, _ in referents(Scene([near, wide], *SIZE))} == {"topmost", "bottommost", "largest", "smallest"}


def test_no_label_is_asked_for_where_another_one_is_alike() -> None:
    cat, cats = thing(0, "cat", (3, 3, 4, 4)), thing(1, "Cats", (12, 3, 4, 4))
    both = [cat, cats, thing(2, "dog", (24, 3, 4, 4))]
    for frame in range(20):
        talks = ask(both, settings("locate", "segment", "refer", none_share=0.0), frame)
        assert [talk.task for talk in talks][:2] == ["locate", "segment"]
        assert all("dog" in talk.question for talk in talks[:2])
        assert not any(re.search(r"\bcats?\b", talk.question, re.IGNORECASE) for talk in talks)
    assert ask([cat, cats], settings("locate", "segment", "refer", none_share=0.0)) == []
    (talk,) = ask([cat, cats], settings("locate", none_share=1.0), absent=["gull"])
    assert (talk.answer, "gull" in talk.question) == ("none", True)


def test_refer_and_track_are_left_out_where_their_answer_would_be_in_doubt() -> None:
    alone = [thing(0, "cat", (3, 3, 4, 4))]
    twins = [thing(0, "cat", (3, 3, 4, 4)), thing(1, "cat", (3, 3, 4, 4))]
    assert ask(alone, settings("refer", "track")) == []
    assert ask(twins, settings("refer", "track")) == []
    apart = [thing(0, "cat", (3, 3, 4, 4)), thing(1, "cat", (20, 3, 4, 4))]
    (talk,) = ask(apart, settings("refer", "track"))
    index = read_back(talk, apart, SIZE, ["en"])[0]
    assert ("leftmost" in talk.question, "rightmost" in talk.question) == (index == 0, index == 1)


def test_track_asks_with_the_box_of_half_a_second_before(tmp_path: Path) -> None:
    shots = [Shot(i * 6, [Thing(4, "rocket", (1 + 2 * i, 3, 6, 5))]) for i in range(8)]
    raw = build_raw(tmp_path / "raw", shots)
    build_dataset(raw, tmp_path / "out", settings("track", formats=[]))
    rows = list(read_rows(tmp_path / "out", pictures=False))
    assert [len(row.conversations) for row in rows] == [0, 0, 1, 1, 1, 1, 1, 1]
    for before, row in zip(rows, rows[2:], strict=False):
        (talk,) = row.conversations
        assert markers(talk.question)[0].box == before.objects[0].box
        assert "0.50 s" in talk.question


def test_name_asks_only_about_boxes_that_one_label_fits() -> None:
    mixed = [thing(0, "cat", (3, 3, 4, 4)), thing(1, "dog", (3, 3, 4, 4)), thing(2, "cow", (20, 3, 4, 4))]
    answers = {talk.answer for frame in range(30) for talk in ask(mixed, settings("name"), frame)}
    assert answers == {"cow"}
    assert ask(mixed[:2], settings("name")) == []


def test_none_is_answered_about_absent_labels_at_the_chosen_rate() -> None:
    objects = [thing(0, "cat", (3, 3, 4, 4))]
    for share in (0.0, 0.3, 1.0):
        talks = [talk for f in range(400) for talk in ask(objects, settings("locate", none_share=share), f)]
        nones = [talk for talk in talks if talk.answer == "none"]
        assert len(nones) == pytest.approx(share * 400, abs=40 if 0 < share < 1 else 0)
        assert all(("ghost" in talk.question) != ("yeti" in talk.question) for talk in nones)


def test_only_labels_that_are_surely_not_shown_are_answered_with_none(tmp_path: Path) -> None:
    """``Cats`` is not asked for where ``cat`` is shown: whoever sees the cat could not answer none."""
    shots = [Shot(i * 6, [Thing(0, "cat", (2, 2, 5, 5))]) for i in range(20)]
    shots += [Shot(200 + i, [Thing(0, "Cats", (2, 2, 5, 5)), Thing(1, "crate", (20, 20, 5, 5))]) for i in range(20)]
    raw = build_raw(tmp_path / "raw", shots)
    summary = build_dataset(raw, tmp_path / "out", settings("locate", formats=[], none_share=1.0, other_labels=["yak"]))
    absent = Counter[str]()
    for row in read_rows(tmp_path / "out", pictures=False):
        (talk,) = row.conversations
        assert read_back(talk, row.objects, (row.width, row.height), ["en"]) == []
        asked = {name for name in ("cat", "Cats", "crate", "yak") if re.search(rf" {name}\b", talk.question)}
        (name,) = asked
        absent[name] += 1
        assert (name == "yak") if row.frame_index >= 200 else (name in {"crate", "yak"})
    assert summary.none_answers == 40
    assert min(absent.values()) >= 5


@given(st.integers(0, 2**32 - 1))
def test_outlines_follow_masks_of_any_shape(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros(GRID, np.uint8, order="F")
    for _ in range(int(rng.integers(1, 4))):
        x, y, w, h = rng.integers(0, 27), rng.integers(0, 13), rng.integers(1, 9), rng.integers(1, 9)
        mask[y : y + h, x : x + w] = 1
    found = RowObject(0, "x", (0, 0, 1, 1), 1.0, GRID, coco_mask.encode(mask)["counts"].decode())
    pieces = outlines(found, *SIZE, 40)
    assert all(3 <= len(piece) <= 40 for piece in pieces)
    assert outline_iou(found, [[v for corner in piece for v in corner] for piece in pieces], SIZE) > 0.8
    assert all(3 <= len(piece) <= 4 for piece in outlines(found, *SIZE, 4))


@pytest.mark.parametrize("code", languages())
def test_a_language_has_every_phrase_and_each_names_what_its_task_needs(code: str) -> None:
    spoken = language(code)
    assert set(spoken.questions) == {*TASKS, OUTLINES}
    for name, variants in spoken.questions.items():
        assert len(set(variants)) == len(variants) >= 3
        needed = TASKS["segment" if name == OUTLINES else name].placeholders
        for variant in variants:
            # Formats that write answers otherwise keep the request and replace the form.
            assert placeholders(variant.request) == set(needed), variant
            assert placeholders(variant.form) == set(), variant
            assert not set("<|\n") & set(variant.text)
            assert variant.request.strip() == variant.request
    assert len(set(spoken.places.values())) == 9
    assert {k: placeholders(v) for k, v in spoken.relations.items()} == {
        **{k: {"label"} for k in ("leftmost", "rightmost", "topmost", "bottommost", "largest", "smallest")},
        **{k: {"label", "other"} for k in ("left_of", "right_of", "above", "below")},
    }
    # Where a question says how to answer if there is nothing, it says the word that the answer is.
    assert all(spoken.none in variant.form for variant in spoken.questions["locate"])
    assert set(spoken.forms) == {"lines", "json", "json_outlines"}


def test_languages_are_mixed_evenly_and_answers_speak_the_questions_language() -> None:
    objects = [thing(0, "cat", (3, 3, 4, 4)), thing(1, "dog", (20, 10, 4, 4))]
    codes = ["de", "zh"]
    talks = [talk for f in range(200) for talk in ask(objects, settings("describe", languages=codes), f)]
    spoken = Counter(code for talk in talks for code in codes if talk.question in texts("describe", code))
    assert spoken.total() == 200
    assert min(spoken.values()) > 70
    for talk in talks:
        read_back(talk, objects, SIZE, [next(c for c in codes if talk.question in texts("describe", c))])
        assert talk.question in texts("describe", talk.language)


def texts(task: str, code: str) -> set[str]:
    return {variant.text for variant in language(code).questions[task]}


def test_the_turns_of_a_dialogue_are_in_one_language() -> None:
    objects = [thing(0, "cat", (3, 3, 4, 4)), thing(1, "dog", (20, 10, 4, 4))]
    chosen = settings("detect", "main_object", "count", "describe", languages=["en", "de", "zh"], turns=2)
    spoken: dict[tuple[int, int], set[str]] = {}
    for frame in range(60):
        for talk in ask(objects, chosen, frame):
            assert talk.question in texts(talk.task, talk.language)
            spoken.setdefault((frame, talk.dialogue), set()).add(talk.language)
    assert all(len(codes) == 1 for codes in spoken.values())
    assert set.union(*spoken.values()) == {"en", "de", "zh"}
    assert len({frozenset(codes) for codes in spoken.values()}) == 3


def test_phrasings_vary_over_frames_and_hang_on_the_seed_only() -> None:
    objects = [thing(0, "cat", (3, 3, 4, 4))]
    for task in ("detect", "locate", "segment"):
        chosen = settings(task, none_share=0.0)
        first = [ask(objects, chosen, i)[0].question for i in range(60)]
        assert set(first) == {fill(variant.text, {"label": "cat"}) for variant in language("en").questions[task]}
        assert first == [ask(objects, chosen, i)[0].question for i in range(60)]
        assert first != [ask(objects, settings(task, none_share=0.0, seed=1), i)[0].question for i in range(60)]


def test_every_answer_of_a_dataset_says_what_the_tables_say(raw: Path, dataset: Path) -> None:
    table = Tables.read(raw).objects
    asked = Counter[str]()
    for row in read_rows(dataset, pictures=False):
        of_frame = table[(table["frame_index"] == row.frame_index) & ~table["empty"]]
        stated = [(o.object_id, o.label, (o.box_x, o.box_y, o.box_w, o.box_h)) for o in of_frame.itertuples()]
        assert [(o.object_id, o.label, o.box) for o in row.objects] == stated
        for talk, sample in zip(row.conversations, row.samples(), strict=True):
            asked[sample.task] += 1
            assert sample.sample_id == f"{row.video_id}/{row.frame_index}/{sample.task}"
            named = read_back(talk, row.objects, (row.width, row.height), languages())
            assert [o.object_id for o in sample.answered_objects()] == [row.objects[i].object_id for i in named]
    assert set(asked) == set(TASKS)
    assert {asked[task] for task in ("detect", "main_object", "count", "locate", "describe", "name", "segment")} == {12}


def test_a_question_of_ones_own_replaces_the_phrasings(raw: Path, tmp_path: Path) -> None:
    chosen = settings("main_object", formats=[], questions={"main_object": "Was siehst du?"})
    build_dataset(raw, tmp_path / "out", chosen)
    asked = {c.question for row in read_rows(tmp_path / "out", pictures=False) for c in row.conversations}
    assert asked == {"Was siehst du?"}
