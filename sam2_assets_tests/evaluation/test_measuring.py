from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sam2_assets.evaluation import read_predictions, scoreboard
from sam2_assets.evaluation.control import choose_control
from sam2_assets.evaluation.gallery import choose_cases, draw_case, write_gallery
from sam2_assets.evaluation.measuring import majorities, predictions_of, scores_of
from sam2_assets.evaluation.predictions import Prediction, write_predictions
from sam2_assets.evaluation.report import render_report
from sam2_assets.evaluation.scoreboard import rows
from sam2_assets.evaluation.settings import EvaluationSettings
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.asking import ask
from sam2_assets.training.measures import Answer
from sam2_assets_tests.evaluation.builders import Scripted, png, sample

Measured = tuple[list[Prediction], dict[str, Any]]
SETTINGS = EvaluationSettings(draws=500)
COLOURS = {"cat": (200, 0, 0), "dog": (0, 200, 0)}
BOX = {"cat": (8.0, 8.0, 16.0, 16.0), "dog": (24.0, 8.0, 32.0, 32.0)}


def animals(video: str, label: str, frames: range) -> list[Sample]:
    return [
        sample(video, frame, objects=[(label, BOX[label])], picture=png(COLOURS[label], (64, 48))) for frame in frames
    ]


def looks(image: Image.Image, question: str) -> str:
    """A model that sees: it answers by the picture's colour."""
    label = "cat" if image.getpixel((0, 0)) == COLOURS["cat"] else "dog"
    return f"{label} {list(BOX[label])}"


def guesses(image: Image.Image, question: str) -> str:
    return "cat, I think"


@pytest.fixture(scope="module")
def measured() -> Measured:
    test = animals("v1", "cat", range(12)) + animals("v2", "dog", range(12))
    train = animals("v1", "cat", range(20, 26)) + animals("v2", "dog", range(20, 24))
    control = choose_control(test, 0)
    questions = [s.question for s in test]
    frames = [(s.width, s.height) for s in test]
    calls: list[tuple[str, int, int]] = []

    def asked(model: Scripted, system: str, pictures: Callable[[int], Image.Image]) -> list[Answer]:
        return ask(
            model,
            system,
            pictures,
            questions,
            frames,
            max_new_tokens=9,
            batch_size=5,
            progress=lambda *call: calls.append(call),
        )

    answers = {
        "adapter": asked(Scripted(looks), "adapter", lambda i: test[i].image()),
        "base": asked(Scripted(guesses), "base", lambda i: test[i].image()),
        "control": asked(Scripted(looks), "control", lambda i: control.picture(test, i)),
    }
    assert calls[:4] == [("adapter", 5, 24), ("adapter", 10, 24), ("adapter", 15, 24), ("adapter", 20, 24)]
    majority = majorities(test, train)
    predictions = predictions_of(test, answers, control, majority, lambda s: f"{s.objects[0].label} <box>")
    return predictions, scores_of(predictions, majority, control, 28, SETTINGS, {"plan_hash": "abc"})


def test_a_model_that_looks_beats_the_base_the_control_and_the_majority(measured: Measured) -> None:
    score = measured[1]["tasks"]["main_object"]["scores"]["label_accuracy"]
    assert {name: entry["value"] for name, entry in score["systems"].items()} == {
        "adapter": 1.0,
        "base": 0.0,
        "control": 0.0,
        "majority": 0.5,
    }
    assert all(entry["excludes_zero"] for entry in score["adapter_minus"].values())


def test_scores_say_what_was_measured(measured: Measured) -> None:
    scores = measured[1]
    assert scores["test"] == {"samples": 24, "frames": 24, "videos": 2, "blocks": 6, "left_out": 4}
    assert scores["control"] == "another_video"
    assert scores["provenance"] == {"plan_hash": "abc"}
    assert scores["tasks"]["main_object"]["majority"]["text"] == "cat"
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_predictions_round_trip_with_the_truth_and_every_system(measured: Measured, tmp_path: Path) -> None:
    write_predictions(measured[0], tmp_path)
    first = read_predictions(tmp_path)[0]
    assert first["sample_id"] == "v1/0/main_object"
    assert (first["truth_label"], first["truth_box"]) == ("cat", [8.0, 8.0, 16.0, 16.0])
    assert first["adapter_objects"] == [{"label": "cat", "box": [8.0, 8.0, 16.0, 16.0]}]
    assert (first["adapter_correct"], first["adapter_iou"]) == (True, 1.0)
    assert (first["base_text"], first["base_label"], first["base_box"]) == ("cat, I think", "cat, I think", None)
    assert first["control_label"] == "dog"
    assert first["control_picture"].startswith("v2/")
    bytes_once = (tmp_path / "predictions.parquet").read_bytes()
    write_predictions(measured[0], tmp_path)
    assert (tmp_path / "predictions.parquet").read_bytes() == bytes_once


def test_the_report_shows_every_score_with_its_interval_and_names_the_others_honestly(measured: Measured) -> None:
    predictions, scores = measured
    report = render_report(scores, choose_cases(predictions, 2))
    assert "| main_object | label accuracy | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] |" in report
    assert "+1.000 [+1.000, +1.000] *" in report
    assert "picture from another video" in report
    assert "the most frequent true answer makes up 50.0%" in report
    assert "4 test questions were left out" in report
    assert "gallery/worst_01.png" in report


@pytest.mark.parametrize("width", [80, 240])
def test_the_scoreboard_prints_on_a_terminal_with_every_number_in_full(measured: Measured, width: int) -> None:
    from rich.console import Console

    console = Console(width=width, record=True)
    with console.capture() as captured:
        console.print(scoreboard(measured[1]))
    text = captured.get()
    assert "…" not in text
    assert "the most frequent true answer makes up 50.0%" in text
    for line in rows(measured[1]):
        assert all(word in text for value in line for word in value.replace("(lower is better)", "").split())


def test_worst_and_best_cases_come_from_different_blocks_first_and_never_twice(measured: Measured) -> None:
    cases = choose_cases(measured[0], 2)
    assert [case.name for case in cases] == ["worst_01", "worst_02", "best_01", "best_02"]
    ids = [case.prediction.sample.sample_id for case in cases]
    assert len(set(ids)) == 4
    assert cases[0].prediction.sample.block != cases[1].prediction.sample.block
    assert len(choose_cases(measured[0][:3], 6)) == 3


def test_a_drawn_case_shows_true_and_answered_box_in_place(measured: Measured, tmp_path: Path) -> None:
    prediction = next(p for p in measured[0] if p.sample.video_id == "v2")
    wrong = {**prediction.answers, "adapter": prediction.answers["control"]}
    page = draw_case(Prediction(prediction.sample, "dog", prediction.truth, "x", wrong, prediction.measures))
    scale = page.width / 64
    x, y, w, h = BOX["dog"]
    assert page.getpixel((round((x + w) * scale) - 1, round((y + h / 2) * scale))) == (0, 158, 115)
    x, y, w, h = BOX["cat"]
    assert page.getpixel((round(x * scale), round((y + h / 2) * scale))) == (213, 94, 0)
    paths = write_gallery(choose_cases(measured[0], 1), tmp_path)
    again = [path.read_bytes() for path in paths]
    assert [path.name for path in paths] == ["worst_01.png", "best_01.png"]
    assert [path.read_bytes() for path in write_gallery(choose_cases(measured[0], 1), tmp_path)] == again
