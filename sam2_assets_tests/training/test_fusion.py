"""Fused layers against those of PEFT and transformers, and both against double precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners import lora
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from benchmarks.random_models import configuration, random_batch
from sam2_assets.training import fusion
from sam2_assets.training.adapters import adapt
from sam2_assets.training.config import LoraSettings
from sam2_assets.training.families import family_of
from sam2_assets.training.fusion import FusedLinear, fuse_norms, root_mean_square_norm
from sam2_assets.training.identity import identify
from sam2_assets.training.loop import autocast
from sam2_assets.training.loss import answer_loss

CPU = torch.device("cpu")
BASES = ["tiny_llava", "tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl"]


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion, "waits_for_memory", lambda tensor: True)


class _OneLayer(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 80, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        return y


def _layer(fused: bool, dtype: torch.dtype, *, bias: bool = True, alpha: int = 24, dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    config = LoraConfig(r=16, lora_alpha=alpha, lora_dropout=dropout, target_modules=["layer"])
    if fused:
        config._register_custom_module({nn.Linear: FusedLinear})
    # The weights are those that bf16 can say, in every precision.
    model = get_peft_model(_OneLayer(bias).to(torch.bfloat16).to(dtype), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            values = torch.randn_like(parameter.data.float()).bfloat16()
            parameter.data = values.to(torch.promote_types(dtype, torch.float32))
    for module in model.modules():
        if isinstance(module, lora.LoraLayer):
            module.cast_input_dtype_enabled = False
    return model


def _inputs(dtype: torch.dtype) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(3, 7, 48, generator=draw).bfloat16().to(dtype).requires_grad_()


def _everything(model: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The output, and the gradient of its weighted sum by x and by what is trained."""
    with autocast("bf16" if x.dtype is torch.bfloat16 else "fp32", CPU):
        y = model(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).bfloat16().to(y.dtype)
    y.backward(weights)
    assert x.grad is not None
    found = {"y": y.detach(), "x": x.grad}
    found |= {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {name: tensor.double() for name, tensor in found.items()}


def _errors(found: dict[str, torch.Tensor], true: dict[str, torch.Tensor]) -> dict[str, float]:
    assert found.keys() == true.keys()
    assert len(true) == 4
    return {name: float((found[name] - true[name]).norm() / true[name].norm()) for name in true}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("alpha", [24, 32])
def test_the_adapted_product_is_that_of_peft(bias: bool, alpha: int) -> None:
    settings = {"bias": bias, "alpha": alpha}
    true = _everything(_layer(False, torch.float64, **settings), _inputs(torch.float64))
    exact = _everything(_layer(True, torch.float64, **settings), _inputs(torch.float64))
    assert max(_errors(exact, true).values()) < 1e-14
    single = _everything(_layer(True, torch.float32, **settings), _inputs(torch.float32))
    assert max(_errors(single, true).values()) < 1e-6


@pytest.mark.parametrize("alpha", [24, 32])
def test_in_bf16_it_is_no_further_from_the_truth_than_peft(alpha: int) -> None:
    true = _everything(_layer(False, torch.float64, alpha=alpha), _inputs(torch.float64))
    ours = _errors(_everything(_layer(True, torch.bfloat16, alpha=alpha), _inputs(torch.bfloat16)), true)
    theirs = _errors(_everything(_layer(False, torch.bfloat16, alpha=alpha), _inputs(torch.bfloat16)), true)
    assert all(ours[name] < 0.01 for name in ours)
    assert all(ours[name] < 1.1 * theirs[name] for name in ours), (ours, theirs)


@pytest.mark.parametrize("state", ["dropout", "disabled", "merged", "none active", "arguments"])
def test_whatever_is_not_one_plain_adapter_is_left_to_peft(state: str) -> None:
    found = []
    for fused in (True, False):
        model = _layer(fused, torch.float32, dropout=0.5 if state == "dropout" else 0.0).train()
        layer = model.base_model.model.layer
        if state == "disabled":
            layer.enable_adapters(False)
        elif state == "merged":
            layer.merge()
        elif state == "none active":
            layer._active_adapter = ["another"]
        extra = {"adapter_names": ["__base__"] * 3} if state == "arguments" else {}
        if extra:
            model.eval()
        torch.manual_seed(3)
        y = layer(_inputs(torch.float32), **extra)
        assert "AdaptedProduct" not in str(y.grad_fn)
        found.append(y)
    assert torch.equal(*found)


def test_autocast_decides_the_type_of_the_product_as_for_a_plain_layer() -> None:
    with autocast("bf16", CPU):
        ours, theirs = (_layer(fused, torch.float32)(_inputs(torch.float32)) for fused in (True, False))
    assert ours.dtype == theirs.dtype == torch.bfloat16
    assert (ours - theirs).norm() < 0.01 * theirs.norm()


def test_on_a_cpu_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    x = _inputs(torch.bfloat16)
    with autocast("bf16", CPU):
        ours, theirs = (_layer(fused, torch.bfloat16)(x) for fused in (True, False))
    assert torch.equal(ours, theirs)
    assert "Add" in str(ours.grad_fn)


def test_an_input_without_gradient_is_taken() -> None:
    model = _layer(True, torch.float32)
    x = _inputs(torch.float32).detach()
    model(x).sum().backward()
    assert x.grad is None
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_is_that_of_transformers(dtype: torch.dtype) -> None:
    norm = LlamaRMSNorm(96, eps=1e-3)
    nn.init.normal_(norm.weight)
    norm.requires_grad_(False).to(dtype)
    draw = torch.Generator().manual_seed(4)
    values, weights = (torch.randn(5, 96, generator=draw).to(dtype) for _ in range(2))
    true = _norm_and_gradient(LlamaRMSNorm.forward, norm.double(), values.double(), weights.double())
    norm.to(dtype)
    with autocast("bf16" if dtype is torch.bfloat16 else "fp32", CPU):
        ours = _norm_and_gradient(_root_mean_square, norm, values, weights)
        theirs = _norm_and_gradient(LlamaRMSNorm.forward, norm, values, weights)
    for our, their, exact in zip(ours, theirs, true, strict=True):
        assert our.dtype == their.dtype == dtype
        # transformers' own intermediate is fp32, whatever it is given.
        bound = 1.1 * float((their.double() - exact).norm()) + 1e-6 * float(exact.norm())
        assert float((our.double() - exact).norm()) <= bound


def _root_mean_square(norm: LlamaRMSNorm, x: torch.Tensor) -> torch.Tensor:
    return root_mean_square_norm(x, norm.weight, norm.variance_epsilon)


def _norm_and_gradient(forward: Any, norm: Any, values: torch.Tensor, weights: torch.Tensor) -> list[torch.Tensor]:
    x = values.clone().requires_grad_()
    y = forward(norm, x)
    y.backward(weights.to(y.dtype))
    assert x.grad is not None
    return [y.detach(), x.grad]


def test_norms_that_are_trained_and_other_modules_stay() -> None:
    trained, frozen = LlamaRMSNorm(8), LlamaRMSNorm(8).requires_grad_(False)
    assert fuse_norms(nn.ModuleList([trained, frozen, nn.RMSNorm(8).requires_grad_(False), nn.Linear(8, 8)])) == 1
    assert "forward" in vars(frozen)
    assert "forward" not in vars(trained)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_family_is_trained_by_fused_layers_and_learns_the_same(
    base: str, precision: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(base)
    family = family_of(str(folder))
    torch.manual_seed(0)
    model = family.load_model(str(folder), dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    adapted = adapt(model, family, LoraSettings(rank=4, alpha=6), identify(str(folder))).model.train()
    batch = random_batch(configuration(None, folder)[1], 2, CPU, (56, 56))
    layers = [module for module in adapted.modules() if isinstance(module, FusedLinear)]
    assert len(layers) == 14
    torch.manual_seed(1)
    for layer in layers:
        nn.init.normal_(layer.lora_B["default"].weight, std=0.05)
    outputs: list[str] = []
    hooks = [layer.register_forward_hook(lambda _, __, y: outputs.append(str(y.grad_fn))) for layer in layers]
    found = {}
    for fused in (True, False):
        for layer in layers:
            layer.__class__ = FusedLinear if fused else lora.Linear
        with autocast(precision, CPU):
            answer_loss(adapted, batch, 1).backward()
        found[fused] = {name: p.grad.clone() for name, p in adapted.named_parameters() if p.grad is not None}
        adapted.zero_grad()
    for hook in hooks:
        hook.remove()
    assert len(outputs) == 28
    assert sum("View" in name for name in outputs) == 14
    bound = 1e-5 if precision == "fp32" else 0.05
    for name, gradient in found[False].items():
        assert (found[True][name] - gradient).norm() <= bound * gradient.norm(), name
