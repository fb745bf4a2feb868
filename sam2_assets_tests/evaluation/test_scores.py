from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam2_assets.errors import DatasetError
from sam2_assets.evaluation.baseline import learn_majority
from sam2_assets.evaluation.scoreboard import verdicts
from sam2_assets.evaluation.scores import SYSTEMS, TEMPORAL_BLOCK, TaskMeasures, headline, score_task, score_tasks
from sam2_assets.training.measures import Answer, Kind, Located, Measures, measure
from sam2_assets_tests.evaluation.builders import sample

BOX = (0.0, 0.0, 10.0, 10.0)


def one(correct: bool, overlap: float, unreadable: bool = False) -> Measures:
    return Measures(correct, (overlap,), int(correct and overlap >= 0.5), int(not unreadable), 1, unreadable)


def task_of(blocks: list[str], kind: Kind = Kind.ONE_OBJECT, **measures: list[Measures]) -> TaskMeasures:
    return TaskMeasures(kind, [("v", b) for b in blocks], ["cat", "Cat", "dog", "cat"][: len(blocks)], measures)


def scored(task: TaskMeasures, **options: Any) -> dict[str, Any]:
    return score_task(task, draws=options.get("draws", 2000), seed=options.get("seed", 0))


@pytest.fixture
def four_samples() -> TaskMeasures:
    wrong = [one(False, 0.0, True)] * 4
    return task_of(
        ["a", "a", "b", "c"],
        adapter=[one(True, 1.0), one(True, 0.6), one(True, 0.2), one(False, 0.0, True)],
        base=[one(False, 0.1)] * 4,
        control=[one(True, 0.0), one(False, 0.0), one(False, 0.0), one(False, 0.0)],
        majority=wrong,
    )


def test_scores_of_one_object_equal_the_hand_computed_ones(four_samples: TaskMeasures) -> None:
    scores = scored(four_samples)["scores"]
    values = {name: score["systems"]["adapter"]["value"] for name, score in scores.items()}
    assert values == {"label_accuracy": 0.75, "box_iou": 0.45, "iou_at_50": 0.5, "unreadable": 0.25}
    assert scores["label_accuracy"]["adapter_minus"]["control"]["value"] == 0.5
    assert scores["label_accuracy"]["adapter_minus"]["majority"]["value"] == 0.75
    assert scores["box_iou"]["adapter_minus"]["base"]["value"] == pytest.approx(0.35)


def test_samples_blocks_and_the_most_frequent_answer_are_counted(four_samples: TaskMeasures) -> None:
    found = scored(four_samples)
    assert (found["samples"], found["blocks"]) == (4, 3)
    assert found["most_frequent_answer"] == {"answer": "cat", "share": 0.75}


def test_detection_scores_are_micro_averages_over_objects() -> None:
    first = Measures(False, (0.9, 0.0), 1, 3, 2, False)
    second = Measures(True, (0.5, 0.8), 2, 2, 2, False)
    silent = Measures(False, (0.0, 0.0), 0, 0, 2, True)
    found = scored(
        task_of(
            ["a", "b"],
            Kind.DETECTION,
            adapter=[first, second],
            base=[silent, silent],
            control=[silent, first],
            majority=[first, first],
        )
    )["scores"]
    values = {name: score["systems"]["adapter"]["value"] for name, score in found.items()}
    assert values == {"precision": 0.6, "recall": 0.75, "f1": 0.666667, "box_iou": 0.55, "unreadable": 0.0}
    assert found["precision"]["systems"]["base"]["value"] == 0.0


def test_a_constant_advantage_is_paired_and_excludes_zero() -> None:
    rng = np.random.default_rng(3)
    overlaps = rng.random(40) * 0.8
    better = [one(True, float(v) + 0.1) for v in overlaps]
    worse = [one(True, float(v)) for v in overlaps]
    blocks = [str(i // 2) for i in range(40)]
    found = score_task(
        TaskMeasures(
            Kind.ONE_OBJECT,
            [("v", b) for b in blocks],
            ["cat"] * 40,
            {"adapter": better, "base": worse, "control": worse, "majority": better},
        ),
        draws=1000,
        seed=0,
    )["scores"]["box_iou"]
    difference = found["adapter_minus"]["base"]
    assert difference == {"value": 0.1, "low": 0.1, "high": 0.1, "excludes_zero": True}
    assert found["systems"]["adapter"]["low"] < found["systems"]["base"]["high"], "unpaired intervals overlap"
    assert found["adapter_minus"]["majority"]["excludes_zero"] is False


@pytest.mark.parametrize(("blocks", "proven"), [(1, False), (5, False), (6, True)])
def test_too_few_blocks_give_no_interval_and_prove_nothing(blocks: int, proven: bool) -> None:
    good, bad = [one(True, 1.0)] * 12, [one(False, 0.0)] * 12
    task = TaskMeasures(
        Kind.ONE_OBJECT,
        [("v", str(i % blocks)) for i in range(12)],
        ["cat"] * 12,
        {"adapter": good, "base": bad, "control": bad, "majority": bad},
    )
    score = scored(task)["scores"]["label_accuracy"]
    assert (score["systems"]["adapter"]["low"] is not None) == proven
    assert score["adapter_minus"]["majority"]["excludes_zero"] is proven
    assert score["adapter_minus"]["majority"]["value"] == 1.0


def test_blocks_of_the_same_name_in_two_videos_are_two_blocks(four_samples: TaskMeasures) -> None:
    two = TaskMeasures(four_samples.kind, [("v", "a"), ("w", "a")] * 2, ["cat"] * 4, four_samples.measures)
    assert scored(two)["blocks"] == 2


def test_the_same_seed_gives_the_same_scores() -> None:
    measures = [one(i % 3 > 0, i / 11) for i in range(12)]
    blocks = [("v", str(i)) for i in range(12)]
    task = TaskMeasures(Kind.ONE_OBJECT, blocks, ["cat"] * 12, dict.fromkeys(SYSTEMS, measures))
    assert scored(task) == scored(task)
    assert scored(task, draws=150, seed=1) != scored(task, draws=150, seed=2)


def test_the_headline_is_the_first_score_of_main_object(four_samples: TaskMeasures) -> None:
    both = score_tasks({"detect": four_samples, "main_object": four_samples}, draws=100, seed=0)
    assert headline(both) == ("main_object", "label_accuracy")
    assert headline(score_tasks({"locate": four_samples}, draws=100, seed=0)) == ("locate", "label_accuracy")


def test_the_majority_baseline_learns_label_and_mean_box_from_train_only() -> None:
    train = [
        sample(frame=0, objects=[("Cat", (0.0, 0.0, 32.0, 24.0))]),
        sample(frame=1, objects=[("cat", (32.0, 24.0, 32.0, 24.0))]),
        sample(frame=2, objects=[("dog", (0.0, 0.0, 64.0, 48.0))]),
        sample(frame=3, task="detect", objects=[("bird", (0.0, 0.0, 1.0, 1.0))] * 5),
    ]
    learned = learn_majority("main_object", train)
    assert (learned.text, learned.counted) == ("Cat", 3)
    assert learned.share == pytest.approx(2 / 3)
    answer = learned.answer((300, 150))
    assert answer.objects[0].box == pytest.approx((50.0, 25.0, 200.0, 100.0))
    truth = [Located("CAT", (50.0, 25.0, 200.0, 100.0))]
    assert measure(Kind.ONE_OBJECT, "", truth, answer).mean_iou == pytest.approx(1.0)


def test_the_majority_baseline_of_a_text_task_is_the_most_frequent_answer() -> None:
    train = [sample(frame=i, task="count", answer=text) for i, text in enumerate(["cat: 2", "cat: 1", "cat: 2"])]
    assert learn_majority("count", train).answer((10, 10)) == Answer("cat: 2")


def test_a_task_that_was_never_trained_has_no_baseline_and_is_refused() -> None:
    with pytest.raises(DatasetError, match="no sample of it") as caught:
        learn_majority("detect", [sample()])
    assert caught.value.code == "no_training_samples"


def difference(value: float, low: float | None = None, high: float | None = None) -> dict[str, object]:
    excludes = low is not None and high is not None and (low > 0 or high < 0)
    return {"value": value, "low": low, "high": high, "excludes_zero": excludes}


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (
            {"base": difference(0.8, 0.7, 0.9), "control": difference(0.3, -0.1, 0.6), "majority": difference(-0.2)},
            [
                "The interval of its lead excludes 0 over the base model.",
                "It is no better than the majority baseline.",
                "Its lead over the control is not certain: the interval includes 0.",
            ],
        ),
        (
            {name: difference(0.5) for name in ("base", "control", "majority")},
            [
                "Its lead over the base model, the control, the majority baseline is not certain: "
                "fewer than 6 temporal blocks give no interval."
            ],
        ),
        (
            {name: difference(-0.5, -0.9, -0.1) for name in ("base", "control", "majority")},
            ["It is no better than the base model, the control, the majority baseline."],
        ),
    ],
)
def test_a_score_is_said_to_lead_only_where_it_does(differences: dict[str, object], said: list[str]) -> None:
    bootstrap = {"least_blocks": 6, "unit": TEMPORAL_BLOCK}
    assert verdicts({"higher_is_better": True, "adapter_minus": differences}, bootstrap) == said
