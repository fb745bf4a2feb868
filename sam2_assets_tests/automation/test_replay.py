"""A simulated month: what was started and why, as ``docs/automation.md`` shows it, and that nothing is done twice."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sam2_assets_tests.automation.replay import Launch, Row, replay

ROOT = Path(__file__).resolve().parents[2]
TO_PLAN = ("raw_export", "instruction_dataset", "quality_report", "splits", "training_plan")
TRAINING = ("lora_adapter", "evaluation", "model_card", "deploy_image")
CORPUS_PLAN = ("conditions", "corpus", ("splits", "training_plan"))


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return replay(tmp_path_factory.mktemp("month"))


def after(month: list[Row], words: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """What was started after that happened: by what, for what, which assets."""
    (row,) = [row for row in month if words in row.what]
    return [(launch.by, launch.target, launch.assets) for launch in row.launches]


def launches(month: list[Row], target: str) -> list[Launch]:
    return [launch for row in month for launch in row.launches if launch.target == target]


def test_the_page_shows_this_month(month: list[Row]) -> None:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    page = (ROOT / "docs" / "automation.md").read_text(encoding="utf-8")
    assert writer.renewed(page, writer.automation_table(month)) == page, "run scripts/write_docs.py"


def test_nothing_is_started_twice_and_without_news_nothing_is_started_or_red(month: list[Row]) -> None:
    for row in month:
        made = [(launch.target, launch.assets) for launch in row.launches]
        assert len(made) == len(set(made)), row
    for words in ("Nothing there yet", "A night without news", "The next night", "Five days without news"):
        assert after(month, words) == []
    assert [launch.target for row in month for launch in row.launches if not launch.success] == ["bats"]


def test_an_upload_is_one_run_to_its_plan_and_what_is_approved_or_small_is_trained(month: list[Row]) -> None:
    assert after(month, "`cats` is uploaded, ") == [("inbox", "cats", TO_PLAN), CORPUS_PLAN]
    approved = after(month, "The plans of `cats` and of the corpus are approved")
    assert approved == [("trainings", "cats", TRAINING), ("trainings", "corpus", TRAINING)]
    assert after(month, "`ants` is uploaded") == [
        ("inbox", "ants", TO_PLAN),
        ("trainings", "ants", TRAINING),
        CORPUS_PLAN,
    ]
    trained = [launch for launch in launches(month, "cats") if launch.assets == TRAINING]
    approvals = ("The plans of `cats`", "The new plan of `cats`", "`cats` goes back")
    assert len(trained) == len(approvals)


def test_the_same_bytes_lead_to_no_training_and_no_new_corpus(month: list[Row]) -> None:
    # A folder dates a file anew, so its version is imported; a bucket's ETag says that it is the same.
    assert after(month, "the same bytes") == [("inbox", "cats", TO_PLAN)]


def test_a_rejected_video_stops_nobody_and_once_it_is_waived_only_what_was_missing_is_made(month: list[Row]) -> None:
    assert after(month, "its masks mean nothing") == [("inbox", "bats", ("raw_export",))]
    assert after(month, "is waived") == [("conditions", "bats", TO_PLAN[1:]), CORPUS_PLAN]


def test_what_came_during_downtime_is_caught_up(month: list[Row]) -> None:
    assert sorted(after(month, "down for 30 hours")) == [
        CORPUS_PLAN,
        ("inbox", "storks", TO_PLAN),
        ("inbox", "whales", TO_PLAN),
    ]


def test_an_earlier_version_comes_back_with_its_approval_and_reaches_the_corpus(month: list[Row]) -> None:
    assert after(month, "`cats` goes back") == [
        ("inbox", "cats", TO_PLAN),
        ("trainings", "cats", TRAINING),
        CORPUS_PLAN,
    ]
    assert after(month, "The plan of the corpus is approved") == [("trainings", "corpus", TRAINING)]
