"""What a person may write as a training configuration: ranges, presets, the proposal's file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from sam2_assets.errors import SettingsError
from sam2_assets.settings import Layer, Settings, parse_layer, resolve
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.presets import PRESETS

PROPOSAL = """
model: {name: "liuhaotian/llava-v1.5-7b", type: "llava"}
training:
  method: "lora"
  lora_rank: 64
  lora_alpha: 16
  learning_rate: 2e-5
  batch_size: 4
  gradient_accumulation_steps: 4
  num_epochs: 3
  warmup_ratio: 0.03
data: {train_split: 0.8, val_split: 0.1, test_split: 0.1, max_samples: null}
hardware: {device: "cuda", mixed_precision: "bf16", gradient_checkpointing: true}
checkpointing: {save_steps: 100, save_total_limit: 3}
logging: {log_steps: 10, tensorboard_dir: "./runs"}
"""


def _read(text: str) -> Settings:
    return resolve([parse_layer(text.encode(), "training_config.yaml")]).settings


def test_the_proposals_file_is_accepted_as_it_stands() -> None:
    settings = _read(PROPOSAL)
    training = settings.training
    assert (training.base_model, training.family, training.method) == ("llava-hf/llava-1.5-7b-hf", "llava", "lora")
    assert (training.lora.rank, training.lora.alpha) == (64, 16)
    assert (training.optimizer.learning_rate, training.optimizer.warmup_ratio) == (2e-5, 0.03)
    assert (training.batch_size, training.gradient_accumulation, training.epochs) == (4, 4, 3)
    assert (training.precision, training.activation_checkpointing, training.max_samples) == ("bf16", True, None)
    assert (training.checkpoints.every_steps, training.checkpoints.keep, training.log_every_steps) == (100, 3, 10)
    assert (settings.splitting.train, settings.splitting.val, settings.splitting.test) == (0.8, 0.1, 0.1)


def test_our_own_sections_and_fields_may_stand_in_the_proposals_file() -> None:
    settings = _read(PROPOSAL.replace("training:", "training:\n  seed: 7\n  lora: {dropout: 0.1}") + "importing: {}\n")
    assert settings.training.seed == 7
    assert (settings.training.lora.rank, settings.training.lora.dropout) == (64, 0.1)


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('mixed_precision: "bf16"', 'mixed_precision: "fp16"', "unsupported_choice", "hardware.mixed_precision"),
        ('method: "lora"', 'method: "qlora"', "unsupported_choice", "training.method"),
        ('type: "llava"', 'type: "kosmos"', "unsupported_choice", "model.type"),
        ("save_steps", "save_stepz", "unknown_proposal_field", "checkpointing.save_stepz"),
        ("{log_steps: 10", "[{log_steps: 10", "not_yaml", None),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_field(old: str, new: str, code: str, field: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(PROPOSAL.replace(old, new))
    assert caught.value.code == code
    if field is not None:
        assert caught.value.field == field
        assert caught.value.remedy


def test_a_name_in_another_layout_is_mapped_or_answered_with_the_right_one() -> None:
    assert TrainingConfig(base_model="liuhaotian/llava-v1.5-13b").base_model == "llava-hf/llava-1.5-13b-hf"
    with pytest.raises(ValidationError, match=r"llava-hf/llava-1\.5-7b-hf"):
        TrainingConfig(base_model="liuhaotian/llava-v1.6-vicuna-7b")


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_beside_a_preset_wins_over_it(name: str) -> None:
    preset = TrainingConfig.model_validate({"preset": name})
    for field, value in PRESETS[name].items():
        stated = getattr(preset, field)
        assert stated == value or all(getattr(stated, inner) == wanted for inner, wanted in value.items())
    own = TrainingConfig.model_validate({"preset": name, "batch_size": 7, "lora": {"rank": 5}})
    assert (own.batch_size, own.lora.rank) == (7, 5)
    assert own.lora.alpha == preset.lora.alpha


def test_a_preset_wins_over_the_layers_below_it_and_yields_to_those_above() -> None:
    project = Layer("settings.yaml", {"training": {"epochs": 9.0, "batch_size": 2}})
    sidecar = Layer("a.settings.yaml", {"training": {"preset": "production"}})
    form = Layer("launchpad", {"training": {"batch_size": 1}})
    resolved = resolve([project, sidecar, form])
    training = resolved.settings.training
    assert (training.epochs, training.batch_size, training.checkpoints.publish) == (5.0, 1, "best")
    assert resolved.origins["training.epochs"] == "a.settings.yaml"
    assert resolved.origins["training.batch_size"] == "launchpad"


def test_a_resolved_configuration_reads_back_as_itself() -> None:
    resolved = TrainingConfig.model_validate({"preset": "low_memory", "lora": {"rank": 3}})
    assert TrainingConfig.model_validate(resolved.model_dump(mode="json")) == resolved


def test_the_same_choice_by_preset_and_by_hand_is_the_same_run(tmp_path: Path) -> None:
    by_hand = TrainingConfig.model_validate(PRESETS["balanced"])
    assert TrainingConfig.model_validate({"preset": "balanced"}).deciding_fields() == by_hand.deciding_fields()


def _ranged(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str, float]]:
    """Every bound of every field: its dotted name, its meaning, and a value just outside."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _ranged(kind, f"{section}{name}.")
        for bound in info.metadata:
            for of, outside in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                if (limit := getattr(bound, of, None)) is not None:
                    yield f"{section}{name}", info.description or "", limit + outside


RANGED = list(_ranged(TrainingConfig))


@pytest.mark.parametrize(("name", "meaning", "value"), RANGED, ids=lambda part: str(part)[:40])
def test_a_value_out_of_its_range_is_refused_with_what_the_field_means(name: str, meaning: str, value: float) -> None:
    values: dict[str, object] = {name.split(".")[-1]: value}
    for section in reversed(name.split(".")[:-1]):
        values = {section: values}
    with pytest.raises(SettingsError) as caught:
        resolve([Layer("a.yaml", {"training": values})])
    assert (caught.value.file, caught.value.field) == ("a.yaml", f"training.{name}")
    assert meaning
    assert f"It means: {meaning.rstrip('.')}. " in str(caught.value)


def test_the_usual_learning_rates_are_named_to_who_gives_another() -> None:
    assert len(RANGED) > 40
    with pytest.raises(SettingsError, match=r"learning_rate = 10: .* usual are 1\.0e-5 to 5\.0e-4"):
        resolve([Layer("a.yaml", {"training": {"optimizer": {"learning_rate": 10}}})])


def test_layers_listed_by_name_in_the_proposals_file_are_our_expression() -> None:
    listed = _read(PROPOSAL.replace("lora_rank: 64", "lora_target_modules: [q_proj, v_proj]"))
    ours = resolve([Layer("a.yaml", {"training": {"lora": {"targets": ["q_proj", "v_proj"]}}})]).settings
    assert listed.training.lora.targets == ours.training.lora.targets == r".*language_model.*\.(q_proj|v_proj)"
    with pytest.raises(SettingsError, match=r"list names of layers, e\.g\. \[q_proj, v_proj\]"):
        resolve([Layer("a.yaml", {"training": {"lora": {"targets": [7]}}})])


@pytest.mark.parametrize(
    "values",
    [
        {"lora": {"rank": 0}},
        {"lora": {"rank": 513}},
        {"lora": {"dropout": 1.0}},
        {"optimizer": {"learning_rate": 0}},
        {"optimizer": {"warmup_ratio": 1.5}},
        {"optimizer": {"name": "lion"}},
        {"epochs": 0},
        {"batch_size": 0},
        {"seed": 2**32},
        {"early_stopping": {"patience": -1}},
        {"budget": {"max_cost": 10.0}},
        {"preset": "fastest"},
        {"method": "full"},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(values)
