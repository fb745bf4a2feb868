from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sam2_assets.coordinates import qwen_picture_size
from sam2_assets.errors import DatasetError, TrainingError
from sam2_assets.training import Plan, TrainingConfig, make_plan, needs_approval
from sam2_assets_tests.training.workshop import Data, build_data, one_object_shots, small_config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("plan-data"), tasks=("detect", "main_object"))


def _plan(data: Data, base: Path, **changes: object) -> Plan:
    return make_plan(data.splits, small_config(base, **changes), datasets=data.datasets)


def test_the_same_choice_gives_the_same_bytes_and_no_path_of_the_data(data: Data, tiny_llava: Path) -> None:
    text = _plan(data, tiny_llava).to_json()
    assert text == _plan(data, tiny_llava).to_json()
    assert str(data.splits.parent) not in text
    assert Plan.from_json(text).to_json() == text


def test_counts_are_those_of_the_splits(data: Data, tiny_llava: Path) -> None:
    plan = _plan(data, tiny_llava)
    assert plan.data.frames == {"train": 8, "val": 1, "test": 1}
    assert plan.data.tasks == {"detect": 8, "main_object": 8}
    assert (plan.data.train_samples, plan.data.val_samples) == (16, 2)
    assert _plan(data, tiny_llava, tasks=["detect"]).data.train_samples == 8
    assert _plan(data, tiny_llava, max_samples=5).data.train_samples == 5


def test_pictures_are_counted_by_the_frames_of_the_data_and_the_processor_s_limits(
    data: Data, tiny_qwen2_5_vl: Path, tmp_path: Path
) -> None:
    plan = _plan(data, tiny_qwen2_5_vl)
    ((size, samples),) = plan.data.frame_sizes.items()
    assert samples == 18  # of train and val
    width, height = (int(side) for side in size.split("x"))
    made = qwen_picture_size((width, height), least_pixels=784, most_pixels=7056)  # as the tiny processor is set
    assert plan.estimate.sample_tokens == made[0] * made[1] // 28**2 + plan.data.text_tokens
    # The same model, with smaller pictures in its processor's file.
    base = shutil.copytree(tiny_qwen2_5_vl, tmp_path / "base")
    settings = json.loads((base / "processor_config.json").read_text())
    settings["image_processor"]["size"]["longest_edge"] = 784
    (base / "processor_config.json").write_text(json.dumps(settings))
    assert _plan(data, base).estimate.sample_tokens == 1 + plan.data.text_tokens
    # As published models have it.
    (base / "processor_config.json").unlink()
    (base / "preprocessor_config.json").write_text('{"max_pixels": 784, "min_pixels": 784}')
    assert _plan(data, base).estimate.sample_tokens == 1 + plan.data.text_tokens


def test_a_plan_that_does_not_tell_the_frames_is_still_one(data: Data, tiny_llava: Path) -> None:
    content = json.loads(_plan(data, tiny_llava).to_json())
    del content["data"]["frame_sizes"]
    assert Plan.from_json(json.dumps(content)).data.frames_by_size == {(1280, 720): 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"attempt": 2},
        {"batch_size": 2},
        {"max_steps": 13},
        {"precision": "bf16"},
        {"tasks": ["detect"]},
        {"lora": {"rank": 4}},
        {"optimizer": {"learning_rate": 1e-3}},
        {"optimizer": {"learning_rate": 5e-3, "projector_learning_rate": 1e-4}},
    ],
)
def test_whatever_decides_the_weights_changes_the_hash(
    data: Data, tiny_llava: Path, changes: dict[str, object]
) -> None:
    assert _plan(data, tiny_llava, **changes).plan_hash != _plan(data, tiny_llava).plan_hash


def test_how_long_an_answer_may_be_decides_the_weights_where_its_boxes_choose_the_checkpoint(
    data: Data, tiny_llava: Path
) -> None:
    by_boxes = {"validation_metric": "box_iou", "validation_answers": 2}
    short = _plan(data, tiny_llava, **by_boxes, max_answer_tokens=9)
    assert short.plan_hash != _plan(data, tiny_llava, **by_boxes).plan_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"log_every_steps": 7},
        {"checkpoints": {"every_steps": 9, "keep": 5}},
        {"card": {"name": "L4", "memory_gib": 24}},
        {"budget": {"max_gpu_hours": 1}},
        {"max_answer_tokens": 9},
        {"family": "llava"},
    ],
)
def test_what_does_not_decide_the_weights_leaves_the_hash(
    data: Data, tiny_llava: Path, changes: dict[str, object]
) -> None:
    assert _plan(data, tiny_llava, **changes).plan_hash == _plan(data, tiny_llava).plan_hash


def test_the_hash_follows_the_base_models_contents_not_its_place(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_llava, moved)
    assert _plan(data, moved).plan_hash == _plan(data, tiny_llava).plan_hash
    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert _plan(data, moved).plan_hash != _plan(data, tiny_llava).plan_hash


def test_the_hash_follows_the_data(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    other = build_data(tmp_path, one_object_shots(11), tasks=("detect", "main_object"))
    assert _plan(other, tiny_llava).plan_hash != _plan(data, tiny_llava).plan_hash


def test_a_plan_within_its_limits_passes_every_check(data: Data, tiny_llava: Path) -> None:
    plan = _plan(data, tiny_llava)
    assert [check.id for check in plan.checks if not check.passed] == []
    assert plan.passed


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"card": {"memory_gib": 0.5}}, "fits_card"),
        ({"budget": {"max_gpu_hours": 0.001}}, "within_budget"),
        ({"budget": {"max_cost": 0.01}, "card": {"price_per_hour": 100.0}}, "within_budget"),
        ({"batch_size": 32}, "enough_training_samples"),
    ],
)
def test_a_failing_check_says_what_to_change(
    data: Data, tiny_llava: Path, changes: dict[str, object], failing: str
) -> None:
    plan = _plan(data, tiny_llava, **changes)
    assert [check.id for check in plan.checks if not check.passed] == [failing]
    assert all(check.remedy for check in plan.checks if not check.passed)
    assert not plan.passed


@pytest.mark.parametrize(("changes", "word"), [({}, "Annotate"), ({"max_samples": 3}, "Raise max_samples")])
def test_too_few_samples_are_answered_with_what_makes_them_few(
    data: Data, tiny_llava: Path, changes: dict[str, object], word: str
) -> None:
    (check,) = (check for check in _plan(data, tiny_llava, batch_size=32, **changes).checks if not check.passed)
    assert check.remedy.startswith(word)


def test_a_card_too_small_is_answered_with_the_largest_batch_that_fits_and_settings_that_then_fit(
    data: Data, tiny_llava: Path
) -> None:
    roomy = _plan(data, tiny_llava, batch_size=8, card={"name": "L4"})
    assert roomy.estimate.largest_batch > 1024  # more than can be set
    assert roomy.checks[0].message.endswith("; the largest batch_size that fits is 1024")
    assert "declared for L4" in roomy.estimate.based_on
    need, alone = roomy.estimate.memory_gib, _plan(data, tiny_llava, batch_size=1).estimate.memory_gib
    card = {"name": "L4", "memory_gib": (need + alone) / 2}
    tight = _plan(data, tiny_llava, batch_size=8, card=card).checks[0]
    found = re.search(r"largest batch_size that fits is (\d+)$", tight.message)
    assert found is not None
    assert not tight.passed
    batch = int(found[1])
    assert 1 <= batch < 8
    assert f"batch_size {batch} with gradient_accumulation {-(-8 // batch)}, " in tight.remedy
    assert "preset low_memory" in tight.remedy
    assert _plan(data, tiny_llava, batch_size=batch, card=card).checks[0].passed
    assert not _plan(data, tiny_llava, batch_size=batch + 1, card=card).checks[0].passed
    recomputed = re.search(r"activation_checkpointing true \(batch_size up to (\d+)\)", tight.remedy)
    assert recomputed is not None
    less = {"activation_checkpointing": True, "batch_size": int(recomputed[1]), "card": card}
    assert _plan(data, tiny_llava, **less).checks[0].passed


def test_where_no_batch_fits_the_plan_says_so_and_what_the_most_sparing_settings_need(
    data: Data, tiny_llava: Path
) -> None:
    none = _plan(data, tiny_llava, card={"memory_gib": 0.5}).checks[0]
    assert none.message.endswith("not even a batch_size of 1 fits")
    found = re.search(r"low_memory need ([\d.]+) GiB", none.remedy)
    assert found is not None
    least = float(found[1])
    assert "batch_size" not in none.remedy
    sparing = {"preset": "low_memory", "base_model": str(tiny_llava), "max_steps": 12, "precision": "fp32"}
    config = TrainingConfig.model_validate(sparing)
    assert make_plan(data.splits, config, datasets=data.datasets).estimate.memory_gib == pytest.approx(least, rel=0.01)


def test_a_video_too_short_to_validate_on_fails_its_check(tiny_llava: Path, tmp_path: Path) -> None:
    short = build_data(tmp_path, one_object_shots(2))
    failing = [check.id for check in _plan(short, tiny_llava).checks if not check.passed]
    assert "has_validation_samples" in failing


def test_a_plan_above_the_automatic_limit_needs_a_person(data: Data, tiny_llava: Path) -> None:
    assert needs_approval(_plan(data, tiny_llava))
    assert not needs_approval(_plan(data, tiny_llava, budget={"auto_approve_gpu_hours": 1.0}))


def test_an_edited_plan_is_refused(data: Data, tiny_llava: Path) -> None:
    content = json.loads(_plan(data, tiny_llava).to_json())
    content["config"]["max_steps"] = 10_000
    with pytest.raises(TrainingError) as caught:
        Plan.from_json(json.dumps(content))
    assert (caught.value.code, caught.value.field) == ("plan_invalid", "plan_hash")


@pytest.mark.parametrize(
    "targets", ["nothing", "q_proj", ".*vision.*q_proj", ".*language_model.*(q_proj", ["q_proj,v_proj"]]
)
def test_targets_that_no_layer_fits_are_refused_with_the_names_that_there_are(
    data: Data, tiny_llava: Path, targets: object
) -> None:
    with pytest.raises(TrainingError) as caught:
        _plan(data, tiny_llava, lora={"targets": targets})
    assert (caught.value.code, caught.value.field) == ("lora_targets", "training.lora.targets")
    assert "embed_tokens, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj" in caught.value.remedy
    assert "model.language_model.layers.0.self_attn.q_proj" in caught.value.remedy


def test_a_list_of_targets_with_a_name_that_no_layer_has_is_refused(data: Data, tiny_llava: Path) -> None:
    with pytest.raises(TrainingError, match="no layer of the language model is called 'v_porj'"):
        _plan(data, tiny_llava, lora={"targets": ["q_proj", "v_porj"]})


def test_an_expression_with_groups_of_its_own_is_no_list(data: Data, tiny_llava: Path) -> None:
    expression = r".*language_model.*\.((q|v)_proj|out)"
    planned = json.loads(_plan(data, tiny_llava, lora={"targets": expression}).to_json())
    assert planned["config"]["lora"]["targets"] == expression


def test_targets_may_be_listed_by_name_as_in_the_proposals_file(data: Data, tiny_llava: Path) -> None:
    listed = _plan(data, tiny_llava, lora={"targets": ["q_proj", "v_proj"]})
    written = _plan(data, tiny_llava, lora={"targets": r".*language_model.*\.(q_proj|v_proj)"})
    assert listed.plan_hash == written.plan_hash


def test_errors_name_what_is_missing(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such folder") as missing_base:
        _plan(data, tmp_path / "absent")
    assert missing_base.value.code == "base_model_missing"
    with pytest.raises(DatasetError) as missing_task:
        _plan(data, tiny_llava, tasks=["juggle"])
    assert missing_task.value.code == "task_missing"
    with pytest.raises(DatasetError) as missing_data:
        make_plan(data.splits, small_config(tiny_llava), datasets={})
    assert missing_data.value.code == "dataset_missing"
    with pytest.raises(DatasetError) as missing_splits:
        make_plan(tmp_path, small_config(tiny_llava), datasets=data.datasets)
    assert missing_splits.value.code == "splits_missing"
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tiny_llava / "config.json", bare)
    with pytest.raises(TrainingError) as no_weights:
        _plan(data, bare)
    assert no_weights.value.code == "base_model_without_weights"


def test_planning_loads_no_torch(data: Data, tiny_llava: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sam2_assets.training import TrainingConfig, make_plan\n"
        f"make_plan(Path({str(data.splits)!r}), TrainingConfig(base_model={str(tiny_llava)!r}), "
        f"datasets={{k: Path(v) for k, v in { ({k: str(v) for k, v in data.datasets.items()})!r}.items()}})\n"
        "print([name for name in ('torch', 'transformers', 'peft', 'dagster') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
