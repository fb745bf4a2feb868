"""Patch embeddings as the matrix products that they are.

A convolution whose kernel is as large as its step, over one patch at a time, is a product with the flattened kernel.
cuDNN has no fast way for that shape in bf16: on data-centre cards one call of Qwen's ``Conv3d`` takes seconds
(huggingface/transformers#45750, pytorch/pytorch#174051). The library's own ``fusion_config`` replaces the module and
renames its weights, for inference only; here the weights keep their names, so adapters and merged models do too.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch

_WHOLE = ((0, 0, 0), (1, 1, 1), 1)


def replace_patch_convolutions(model: torch.nn.Module) -> int:
    """Let every patch embedding with such a ``proj`` compute a product, but on a CPU; how many there are.

    A CPU's convolution is fast enough, and weights trained there stay the same bits.
    """
    count = 0
    for module in model.modules():
        convolution = getattr(module, "proj", None)
        if (
            isinstance(convolution, torch.nn.Conv3d)
            and convolution.stride == convolution.kernel_size
            and (convolution.padding, convolution.dilation, convolution.groups) == _WHOLE
        ):
            module.forward = MethodType(_embed, module)
            count += 1
    return count


def _embed(module: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    if module.proj.weight.device.type != "cpu":
        return product(module, hidden_states)
    result: torch.Tensor = type(module).forward(module, hidden_states)
    return result


def product(module: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """What a patch embedding computes, without its convolution.

    hidden_states: patches, each flattened in the order channel, time, row, column; returns ``(patches, width)``.
    """
    kernel = module.proj.weight.flatten(1)
    patches = hidden_states.reshape(-1, kernel.shape[1]).to(kernel.dtype)
    return torch.nn.functional.linear(patches, kernel, module.proj.bias)
