"""The evaluation child on a real, tiny model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sam2_assets.errors import TrainingError
from sam2_assets.evaluation import read_predictions
from sam2_assets.evaluation.job import EvaluationJob
from sam2_assets.evaluation.samples import spread_over_tasks
from sam2_assets.instructions import load_samples
from sam2_assets_tests.evaluation.line import Line, child, evaluation_job


def test_the_child_publishes_scores_predictions_report_and_gallery(line: Line) -> None:
    assert {path.name for path in line.evaluation.iterdir()} == {
        "scores.json",
        "predictions.parquet",
        "report.md",
        "gallery",
    }
    assert line.scores["test"]["videos"] == 2
    assert line.scores["tasks"].keys() == {"main_object", "count"}
    assert line.scores["control"] == "another_video"
    assert len(list((line.evaluation / "gallery").glob("*.png"))) == 4


def test_only_test_frames_are_asked_and_the_control_shows_the_other_video(line: Line) -> None:
    rows = read_predictions(line.evaluation)
    assert len(rows) == line.scores["test"]["samples"]
    for row in rows:
        assert row["block"].startswith(row["video_id"])
        assert row["control_picture"].split("/")[0] != row["video_id"]
        assert row["truth_text"].startswith(row["truth_label"] or "")
    assert {row["adapter_text"] for row in rows} != {row["base_text"] for row in rows}


def test_progress_is_one_json_line_a_report(line: Line) -> None:
    reports = [json.loads(text) for text in (line.root / "evaluation.stdout").read_text().splitlines()]
    assert reports[0]["phase"] == "loading"
    assert [r["system"] for r in reports if r["phase"] == "answering" and r["answered"] == r["of"]] == [
        "adapter",
        "control",
        "base",
    ]
    assert reports[-1]["phase"] == "finished"
    assert (
        reports[-1]["adapter"]
        == line.scores["tasks"]["main_object"]["scores"]["label_accuracy"]["systems"]["adapter"]["value"]
    )


def test_no_machine_path_is_published(line: Line) -> None:
    for path in line.evaluation.rglob("*"):
        if path.is_file():
            assert str(line.root).encode() not in path.read_bytes(), path.name


def test_the_same_job_gives_the_same_bytes(line: Line, tmp_path: Path) -> None:
    from sam2_assets.evaluation.evaluate import evaluate

    evaluate(EvaluationJob.read(evaluation_job(line, tmp_path / "again")), lambda *_: None)
    one, two = (
        {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (line.evaluation, tmp_path / "again")
    )
    assert one == two


def test_full_memory_says_what_to_set(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from sam2_assets.evaluation.evaluate import evaluate

    job = EvaluationJob.read(evaluation_job(line, tmp_path / "full"))
    # The allocator's own refusal while the first question is asked.
    monkeypatch.setattr("sam2_assets.evaluation.evaluate.ask", lambda *_, **__: torch.empty(2**52))
    with pytest.raises(TrainingError) as caught:
        evaluate(job, lambda *_: None)
    assert (caught.value.code, caught.value.field) == ("out_of_memory", "evaluation.batch_size")
    assert str(job.settings.batch_size // 2) in str(caught.value.remedy)
    assert not (tmp_path / "full").exists()


def test_a_cap_keeps_every_task_and_says_what_was_left_out(line: Line) -> None:
    assert {name: task["samples"] for name, task in line.scores["tasks"].items()} == {"count": 6, "main_object": 6}
    asked = len(load_samples(line.splits, line.datasets, "test"))
    assert line.scores["test"]["left_out"] == asked - 12 > 0


def test_splits_other_than_the_planned_ones_are_refused_in_one_line(line: Line, tmp_path: Path) -> None:
    other = tmp_path / "splits"
    shutil.copytree(line.splits, other)
    with (other / "splits.parquet").open("ab") as stream:
        stream.write(b"x")
    job = evaluation_job(replace(line, splits=other), tmp_path / "out")
    done = child("sam2_assets.evaluation", job)
    assert done.returncode == 2
    assert "not the splits the plan was made for" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "splits_changed"
    assert not (tmp_path / "out").exists()


def test_a_job_file_with_an_unknown_field_is_refused_by_its_name(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"plan": "p", "splits": "s", "datasets": {}, "adapter": "a", "out": "o", "speed": 3}))
    done = child("sam2_assets.evaluation", job)
    assert done.returncode == 2
    assert "speed" in done.stderr


def test_a_cap_strides_over_each_task_apart() -> None:
    tasks = ["main_object", "detect"] * 50
    chosen = spread_over_tasks(tasks, 10)
    assert sorted(tasks[i] for i in chosen) == ["detect"] * 5 + ["main_object"] * 5
    assert chosen[0] == 0
    assert max(chosen) > 75
    assert spread_over_tasks(tasks, None) == list(range(100))
