"""Rotary position embedding in half as many passes over memory, for GPUs, which wait for memory there.

transformers turns each half of a head's channels, negates, joins, scales and adds, ten passes over the query and ten
over the key, and as many backward. Here each half of the result is one product and one fused multiply-add, written to
its place.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import torch

from sam2_assets.training.fusion import waits_for_memory

_LIBRARY = "library_rotation"


class _Rotation(torch.autograd.Function):
    """``y = x * cos + (-x2, x1) * sin`` with x1 and x2 the halves of the last axis (Su et al. 2021, equation 34, with
    the pairs of channels half a head apart, as Llama's weights have them).
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """x ``(..., width)``, cos and sin broadcastable to it."""
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        (x1, x2), (c1, c2), (s1, s2) = (tensor.split(half, dim=-1) for tensor in (x, cos, sin))
        y = torch.empty_like(x)
        torch.mul(x1, c1, out=y[..., :half]).addcmul_(x2, s1, value=-1)
        torch.mul(x2, c2, out=y[..., half:]).addcmul_(x1, s2)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The transposed rotation."""
        (dy,) = gradients
        cos, sin = ctx.saved_tensors
        half = dy.shape[-1] // 2
        (dy1, dy2), (c1, c2), (s1, s2) = (tensor.split(half, dim=-1) for tensor in (dy, cos, sin))
        dx = torch.empty_like(dy)
        torch.mul(dy1, c1, out=dx[..., :half]).addcmul_(dy2, s2)
        torch.mul(dy2, c2, out=dx[..., half:]).addcmul_(dy1, s1, value=-1)
        return dx, None, None


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """x ``(..., width)`` turned by the angles whose cosine and sine are given, broadcastable to it."""
    y: torch.Tensor = _Rotation.apply(x, cos, sin)  # type: ignore[no-untyped-call]  # torch leaves it without types
    return y


def fuse_rotations(model: torch.nn.Module) -> None:
    """Let transformers' modules that this model is made of rotate so what is on a GPU; elsewhere they do as before.

    The library's layers call a function of their Python module, so every model of the process has it.
    """
    for library in _modules_of(model):
        if not hasattr(library, _LIBRARY):
            setattr(library, _LIBRARY, library.apply_rotary_pos_emb)
            library.apply_rotary_pos_emb = _rotation_instead_of(library.apply_rotary_pos_emb)


def take_library_rotations(model: torch.nn.Module) -> None:
    """Undo :func:`fuse_rotations`."""
    for library in _modules_of(model):
        if hasattr(library, _LIBRARY):
            library.apply_rotary_pos_emb = getattr(library, _LIBRARY)
            delattr(library, _LIBRARY)


def _modules_of(model: torch.nn.Module) -> list[Any]:
    names = sorted({type(module).__module__ for module in model.modules()})
    found: list[ModuleType] = [sys.modules[name] for name in names if name.startswith("transformers.models.")]
    return [library for library in found if hasattr(library, "apply_rotary_pos_emb")]


def _rotation_instead_of(library_rotation: Any) -> Any:
    def apply_rotary_pos_emb(
        q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        alike = (cos.shape[-1], cos.dtype, q.dtype) == (q.shape[-1], q.dtype, k.dtype)
        if not (alike and waits_for_memory(q)):
            turned: tuple[torch.Tensor, torch.Tensor] = library_rotation(q, k, cos, sin, unsqueeze_dim)
            return turned
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        return rotated(q, cos, sin), rotated(k, cos, sin)

    return apply_rotary_pos_emb
