"""The rotation in fewer passes against transformers' own, and who gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from transformers.models.llama import modeling_llama
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl

from sam2_assets.training import rotary
from sam2_assets.training.rotary import fuse_rotations, take_library_rotations

LIBRARY = modeling_llama.apply_rotary_pos_emb


class _OfLlama(nn.Module):
    """A model with one module of transformers' Llama in it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = modeling_llama.LlamaRMSNorm(8)


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    take_library_rotations(_OfLlama())
    yield
    take_library_rotations(_OfLlama())


def _operands(dtype: torch.dtype, *, symmetric: bool = True) -> dict[str, torch.Tensor]:
    """Query and key as the attention hands them over: heads before tokens, but not so in memory."""
    draw = torch.Generator().manual_seed(0)
    q, k = (torch.randn(2, 7, heads, 16, generator=draw).to(dtype).transpose(1, 2) for heads in (4, 2))
    angles = torch.randn(2, 7, 8 if symmetric else 16, generator=draw)
    angles = torch.cat([angles, angles], dim=-1) if symmetric else angles
    return {
        "q": q.requires_grad_(),
        "k": k.requires_grad_(),
        "cos": angles.cos().to(dtype),
        "sin": angles.sin().to(dtype),
    }


def _everything(rotation: Any, operands: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    turned = rotation(*operands.values())
    weights = [torch.randn(part.shape, generator=torch.Generator().manual_seed(1)).to(part.dtype) for part in turned]
    gradients = torch.autograd.grad(turned, (operands["q"], operands["k"]), weights)
    return [tensor.double() for tensor in (*turned, *gradients)]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-15), (torch.float32, 1e-6)])
def test_it_is_the_rotation_of_transformers(
    dtype: torch.dtype, most: float, symmetric: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotary, "waits_for_memory", lambda tensor: True)
    theirs = _everything(LIBRARY, _operands(dtype, symmetric=symmetric))
    fuse_rotations(_OfLlama())
    ours = _everything(modeling_llama.apply_rotary_pos_emb, _operands(dtype, symmetric=symmetric))
    assert "Rotation" in str(modeling_llama.apply_rotary_pos_emb(*_operands(dtype).values())[0].grad_fn)
    for our, their in zip(ours, theirs, strict=True):
        assert (our - their).norm() <= most * their.norm()


def test_in_bf16_it_is_no_further_from_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotary, "waits_for_memory", lambda tensor: True)
    operands = _operands(torch.bfloat16)
    true = _everything(LIBRARY, _grown(operands))
    theirs = _everything(LIBRARY, operands)
    fuse_rotations(_OfLlama())
    ours = _everything(modeling_llama.apply_rotary_pos_emb, operands)
    for our, their, exact in zip(ours, theirs, true, strict=True):
        assert (our - exact).norm() < 1.05 * (their - exact).norm() < 0.01 * exact.norm()


def _grown(operands: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same numbers in double precision."""
    return {name: operand.detach().double().requires_grad_(name in "qk") for name, operand in operands.items()}


def test_on_a_cpu_the_same_bits_as_before() -> None:
    theirs = _everything(LIBRARY, _operands(torch.bfloat16))
    fuse_rotations(_OfLlama())
    ours = _everything(modeling_llama.apply_rotary_pos_emb, _operands(torch.bfloat16))
    assert all(torch.equal(our, their) for our, their in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("what", ["a part of the channels", "angles in fp32", "tokens before heads"])
def test_what_is_called_otherwise(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotary, "waits_for_memory", lambda tensor: True)
    fuse_rotations(_OfLlama())
    operands = _operands(torch.bfloat16)
    if what == "tokens before heads":
        q, k = (operands[name].transpose(1, 2) for name in "qk")
        ours = modeling_llama.apply_rotary_pos_emb(q, k, operands["cos"], operands["sin"], unsqueeze_dim=2)
        theirs = LIBRARY(q, k, operands["cos"], operands["sin"], unsqueeze_dim=2)
        assert all((our - their).norm() < 0.01 * their.norm() for our, their in zip(ours, theirs, strict=True))
    elif what == "angles in fp32":
        angles = (operands["cos"].float(), operands["sin"].float())
        ours = modeling_llama.apply_rotary_pos_emb(operands["q"], operands["k"], *angles)
        theirs = LIBRARY(operands["q"], operands["k"], *angles)
        assert all(torch.equal(our, their) for our, their in zip(ours, theirs, strict=True))
        assert ours[0].dtype == torch.float32
    else:
        with pytest.raises(RuntimeError):  # as the library says it
            modeling_llama.apply_rotary_pos_emb(
                operands["q"], operands["k"], operands["cos"][..., :6], operands["sin"][..., :6]
            )


def test_only_modules_of_the_model_are_changed_once_and_given_back() -> None:
    other = modeling_qwen2_5_vl.apply_rotary_pos_emb
    fuse_rotations(_OfLlama())
    ours = modeling_llama.apply_rotary_pos_emb
    fuse_rotations(_OfLlama())
    assert modeling_llama.apply_rotary_pos_emb is ours is not LIBRARY
    assert modeling_qwen2_5_vl.apply_rotary_pos_emb is other
    take_library_rotations(_OfLlama())
    assert modeling_llama.apply_rotary_pos_emb is LIBRARY
