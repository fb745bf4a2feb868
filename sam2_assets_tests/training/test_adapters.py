from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sam2_assets.errors import TrainingError
from sam2_assets.training.adapters import (
    Adapted,
    adapt,
    parameter_groups,
    read_weights,
    recompute_activations,
    write_weights,
)
from sam2_assets.training.config import LoraSettings
from sam2_assets.training.families import family_of
from sam2_assets.training.identity import identify
from sam2_assets.training.loss import answer_loss

FAMILIES = ["tiny_llava", "tiny_qwen2_5_vl"]


def _adapted(base: Path, dtype: torch.dtype = torch.float32, **settings: Any) -> Adapted:
    family = family_of(str(base))
    torch.manual_seed(0)
    model = family.load_model(str(base), dtype=dtype)
    return adapt(model, family, LoraSettings.model_validate(settings), identify(str(base)))


def _state(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("base", FAMILIES)
def test_only_language_layers_and_the_projector_are_trained(base: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(base)
    adapted = _adapted(folder)
    projector = family_of(str(folder)).projector_modules
    assert len(adapted.adapted_modules) == 14  # seven linear layers in each of two
    for name in _state(adapted.model):
        assert ("lora_" in name and "language_model" in name) or any(module in name for module in projector), name
    without = _adapted(folder, train_projector=False)
    assert all("lora_" in name for name in _state(without.model))
    assert without.trainable_parameters < adapted.trainable_parameters


@pytest.mark.parametrize("targets", [r".*vision.*q_proj", r"nothing", r".*q_proj"])
def test_targets_outside_the_language_model_or_nowhere_are_refused(tiny_llava: Path, targets: str) -> None:
    with pytest.raises(TrainingError) as caught:
        _adapted(tiny_llava, targets=targets)
    assert (caught.value.code, caught.value.field) == ("lora_targets", "lora.targets")


@pytest.mark.parametrize("base", FAMILIES)
def test_a_bf16_base_trains_fp32_weights(base: str, request: pytest.FixtureRequest) -> None:
    model = _adapted(request.getfixturevalue(base), torch.bfloat16).model
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert torch.bfloat16 in {p.dtype for p in model.parameters() if not p.requires_grad}


def test_the_projector_learns_at_its_own_rate_and_vectors_do_not_decay(tiny_llava: Path) -> None:
    model = _adapted(tiny_llava).model
    groups = parameter_groups(
        model, ("multi_modal_projector",), adapters_rate=1e-3, projector_rate=1e-5, weight_decay=0.1
    )
    rates = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(rates) == len(trainable) == sum(len(group["params"]) for group in groups)
    for name, parameter in trainable.items():
        rate = 1e-5 if "multi_modal_projector" in name else 1e-3
        assert rates[id(parameter)] == (rate, 0.0 if name.endswith("bias") else 0.1), name


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_come_back_exactly(
    base: str, dtype: torch.dtype, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(base)
    model = _adapted(folder, dtype).model
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    write_weights(model, tmp_path)
    other = _adapted(folder, dtype).model
    read_weights(other, tmp_path)
    written, read = _state(model), _state(other)
    assert written.keys() == read.keys()
    assert all(torch.equal(written[name], read[name]) for name in written)


def test_recomputing_activations_is_on_in_the_language_model(tiny_llava: Path) -> None:
    model = _adapted(tiny_llava).model
    layers = model.get_base_model().model.language_model.layers
    assert not any(layer.gradient_checkpointing for layer in layers)
    recompute_activations(model)
    assert all(layer.gradient_checkpointing for layer in layers)


@pytest.mark.parametrize("base", [*FAMILIES, "tiny_qwen2_vl", "tiny_qwen3_vl", "tiny_instructblip"])
def test_recomputing_leaves_the_frozen_tower_alone_and_the_gradients_as_they_are(
    base: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(base)
    family = family_of(str(folder))
    processor = family.load_processor(str(folder))
    pictures = [Image.new("RGB", (84, 56), colour) for colour in ("red", "blue")]
    texts = [family.prompt(processor, question) for question in ("Where is it?", "What?")]
    batch = family.encode(processor, pictures, texts, padding_side="right")
    batch["labels"] = batch["input_ids"].clone()
    gradients = []
    for recomputed in (False, True):
        model = _adapted(folder).model.train()
        outputs = _watched_tower(model.get_base_model())
        if recomputed:
            recompute_activations(model)
        answer_loss(model, dict(batch), 1).backward()
        assert outputs
        assert all(seen == [False] for seen in outputs)
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name


def _watched_tower(model: Any) -> list[list[bool]]:
    """For each block of the vision tower, whether its outputs have a gradient, as they come."""
    names = re.compile(r".*(visual\.blocks|vision\w*\.encoder\.layers)\.\d+")
    blocks = [module for name, module in model.named_modules() if names.fullmatch(name)]
    found: list[list[bool]] = [[] for _ in blocks]
    for block, outputs in zip(blocks, found, strict=True):

        def look(_: Any, __: Any, output: Any, outputs: list[bool] = outputs) -> None:
            tensor = output if isinstance(output, torch.Tensor) else output[0]
            outputs.append(tensor.requires_grad)

        block.register_forward_hook(look)
    return found
