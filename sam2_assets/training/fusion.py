"""The same arithmetic in fewer passes over memory: adapted layers and norms, which on a GPU wait for memory.

A decoder's matrix products keep a GPU busy with arithmetic; whatever else it does to an activation is a read and a
write of it. PEFT's layer makes six of an output's size besides the frozen product, transformers' norm about ten in
fp32. Here both are left to kernels that do it on the way.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners import lora

_NORM = "RMSNorm"


def waits_for_memory(tensor: torch.Tensor) -> bool:
    """Whether fewer passes are worth it where a tensor lies: a CPU, busy with the products, was no faster for them."""
    return tensor.device.type != "cpu"


class _AdaptedProduct(torch.autograd.Function):
    """``y = x W^T + b + s (x A^T) B^T``, the formula of LoRA (Hu et al. 2021, section 4.1), W and b frozen.

    Adding and scaling is done by the matrix products themselves (GEMM's ``alpha`` and ``beta``), forward into ``y`` and
    backward into the gradient of ``x``. Only the narrow ``x A^T`` is kept besides what a plain layer keeps.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        """x ``(T, in)``, weight ``(out, in)``, a ``(r, in)``, b ``(out, r)``, all of one type; returns ``(T, out)``."""
        y = torch.nn.functional.linear(x, weight, bias)
        narrow = x @ a.T
        y.addmm_(narrow, b.T, alpha=scaling)
        ctx.save_for_backward(x, weight, a, b, narrow)
        ctx.scaling = scaling
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of x, a and b."""
        (dy,) = gradients
        x, weight, a, b, narrow = ctx.saved_tensors
        d_narrow = (dy @ b).mul_(ctx.scaling)
        d_a = d_narrow.T @ x
        d_b = (dy.T @ narrow).mul_(ctx.scaling)
        d_x = (dy @ weight).addmm_(d_narrow, a) if ctx.needs_input_grad[0] else None
        return d_x, None, None, d_a, d_b, None


class FusedLinear(lora.Linear):
    """PEFT's adapted linear layer; on a GPU, while one plain adapter is trained without dropout, in fewer passes.

    Anything else (merged, disabled, several adapters, dropout, a trained base layer, a CPU) is PEFT's own.
    """

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """x ``(..., in)``; returns ``(..., out)`` in the type that the frozen layer would return."""
        name = self._plain_adapter()
        if name is None or args or kwargs or not waits_for_memory(x):
            result: torch.Tensor = super().forward(x, *args, **kwargs)
            return result
        base = self.get_base_layer()
        kind = x.device.type
        # What autocast does to each operand of a product, at once.
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else base.weight.dtype
        operands = (base.weight, base.bias, self.lora_A[name].weight, self.lora_B[name].weight)
        weight, bias, a, b = (None if tensor is None else tensor.to(dtype) for tensor in operands)
        y: torch.Tensor = _AdaptedProduct.apply(  # type: ignore[no-untyped-call]  # torch leaves it without types
            x.to(dtype).reshape(-1, x.shape[-1]), weight, bias, a, b, self.scaling[name]
        )
        shaped: torch.Tensor = y.view(*x.shape[:-1], y.shape[-1])
        return shaped

    def _plain_adapter(self) -> str | None:
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return None
        name: str = self.active_adapters[0]
        base = self.get_base_layer()
        plain = (
            name in self.lora_A
            and name not in self.lora_variant
            and isinstance(self.lora_dropout[name], torch.nn.Identity)
            and self.lora_B[name].bias is None
            and type(base) is torch.nn.Linear
            and not base.weight.requires_grad
        )
        return name if plain else None


def fuse_norms(model: torch.nn.Module) -> int:
    """Let torch's one kernel compute the frozen root-mean-square norms of a transformers model while they are on a GPU.

    The library's ``*RMSNorm`` modules are ``weight * x / sqrt(mean(x^2) + variance_epsilon)``, computed in fp32 in
    several passes. The kernel rounds once, the library twice. On a CPU there is no such kernel, and they stay.

    Returns:
        How many there are.
    """
    count = 0
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if not type(module).__name__.endswith(_NORM) or not hasattr(module, "variance_epsilon"):
            continue
        if isinstance(weight, torch.Tensor) and weight.ndim == 1 and not weight.requires_grad:
            module.forward = MethodType(_norm, module)
            count += 1
    return count


def is_fused_norm(module: torch.nn.Module) -> bool:
    """Whether :func:`fuse_norms` took it."""
    return getattr(vars(module).get("forward"), "__func__", None) is _norm


def _norm(module: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    if waits_for_memory(hidden_states):
        return root_mean_square_norm(hidden_states, module.weight, module.variance_epsilon)
    result: torch.Tensor = type(module).forward(module, hidden_states)
    return result


def root_mean_square_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """``weight * x / sqrt(mean(x^2) + epsilon)`` over the last axis, in the shape and type of ``x``.

    Source: Zhang and Sennrich 2019, equation 4.
    """
    with torch.autocast(x.device.type, enabled=False):  # it would make fp32 of everything
        return torch.nn.functional.rms_norm(x, weight.shape, weight.to(x.dtype), epsilon)
