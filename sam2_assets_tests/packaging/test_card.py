from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from sam2_assets.errors import PackagingError
from sam2_assets.packaging import ModelCardSettings, card_problems, write_repository
from sam2_assets.packaging.serving import Serving
from sam2_assets_tests.evaluation.line import ENVIRONMENT, WAIVER, Line


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository, tmp_path / "repository"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_card_says_the_measured_numbers_and_nothing_else(repository: Path) -> None:
    assert card_problems(repository) == []


def test_the_card_names_waivers_repairs_and_where_the_scores_do_not_reach(repository: Path) -> None:
    card = (repository / "README.md").read_text()
    (gate, reason), *_ = WAIVER.items()
    assert card.index(f"`{gate}` of `clip-bb22`: {reason}") < card.index("## Scores"), "prominently: before the scores"
    assert "| box_recomputed | 411 | 3 of 3 |" in card, "one row for what was wrong in all videos alike"
    assert "| fps | 1 | clip-bb22 |" in card
    assert "nothing about videos it has never seen" in " ".join(card.split())
    assert "picture from another video" in card


def test_hubs_can_read_the_front_matter(repository: Path, line: Line) -> None:
    card = ModelCard.load(repository / "README.md")
    assert card.data.library_name == "peft"
    stated = {(r.task_name, r.metric_name): r.metric_value for r in card.data.eval_results}
    measured = line.scores["tasks"]["main_object"]["scores"]["label_accuracy"]["systems"]["adapter"]["value"]
    assert stated["main_object", "label accuracy (main_object)"] == measured
    assert stated.keys() >= {("count", "answer accuracy (count)")}


@pytest.mark.parametrize("column", [2, 3, 4, 5, 6, 7, 8])
def test_a_changed_cell_of_the_score_table_is_found(copy: Path, column: int) -> None:
    path = copy / "README.md"
    row = next(text for text in path.read_text().splitlines() if text.startswith("| main_object | mean box IoU"))
    cells = row.strip("|").split("|")
    cells[column] = re.sub(r"\d\.\d{3}", "0.987", cells[column], count=1)
    edit(path, row, "|" + "|".join(cells) + "|")
    assert any("mean box IoU" in problem for problem in card_problems(copy))


def test_a_changed_number_in_front_matter_or_prose_is_found(copy: Path) -> None:
    edit(copy / "README.md", "val and test frames nearer than that to a train frame | 0 of", "val | 7777 of")
    edit(copy / "README.md", "value: ", "value: 1")
    problems = card_problems(copy)
    assert any("7777" in problem for problem in problems)
    assert any(problem.startswith("front matter") for problem in problems)


def test_changed_evidence_a_missing_waiver_and_other_weights_are_found(copy: Path) -> None:
    edit(copy / "README.md", "clean_images", "dirty_images")
    scores = json.loads((copy / "evidence/scores.json").read_text())
    scores["tasks"]["main_object"]["scores"]["label_accuracy"]["systems"]["adapter"]["value"] = 0.123
    (copy / "evidence/scores.json").write_text(json.dumps(scores))
    (copy / "adapter_model.safetensors").write_bytes(b"other")
    problems = " ".join(card_problems(copy))
    assert "waiver" in problems
    assert "0.123" in problems
    assert "weights" in problems


def test_adapter_and_evaluation_of_different_plans_make_no_card(line: Line, tmp_path: Path) -> None:
    other = Path(shutil.copytree(line.adapter, tmp_path / "adapter"))
    training = json.loads((other / "training.json").read_text()) | {"plan_hash": "f" * 64}
    (other / "training.json").write_text(json.dumps(training))
    with pytest.raises(PackagingError) as caught:
        write_repository(other, line.evaluation, line.plan, line.splits, tmp_path / "out")
    assert (caught.value.code, caught.value.field) == ("not_one_run", "training.json: plan_hash")


def test_the_same_inputs_give_the_same_bytes_and_no_machine_path(line: Line, tmp_path: Path) -> None:
    settings = ModelCardSettings(gallery=True, licence="apache-2.0", title="Crates | rockets")
    for name in ("one", "two"):
        write_repository(line.adapter, line.evaluation, line.plan, line.splits, tmp_path / name, settings)
    one, two = (
        {p.relative_to(tmp_path / n).as_posix(): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two")
    )
    assert one == two
    assert "gallery/worst_01.png" in one
    assert not [name for name, content in one.items() if str(line.root).encode() in content]


def test_serving_json_keeps_questions_of_every_task_with_the_recorded_answers(repository: Path) -> None:
    serving = Serving.read(repository)
    assert {example.sample_id.rsplit("/", 1)[1] for example in serving.examples} == {"main_object", "count"}
    assert serving.base_reference is None, "an absolute folder means nothing elsewhere"


def test_the_example_runs_and_answers_as_the_evaluation_recorded(repository: Path, line: Line, tmp_path: Path) -> None:
    from sam2_assets.instructions import load_samples

    example = Serving.read(repository).examples[-1]
    sample = next(s for s in load_samples(line.splits, line.datasets, "test") if s.sample_id == example.sample_id)
    (tmp_path / "frame.png").write_bytes(sample.image_bytes)
    done = subprocess.run(
        [
            sys.executable,
            repository / "example.py",
            tmp_path / "frame.png",
            example.question,
            "--base-model",
            line.base,
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == example.expected
