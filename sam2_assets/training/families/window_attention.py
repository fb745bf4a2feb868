"""Attention of Qwen's vision towers over all windows and pictures of a batch in one call.

Each window (112 pixels a side in most layers of Qwen2.5-VL), or each picture, attends within itself. Without the
package flash-attn the library calls the attention once for each of them, some ten thousand times for four frames of
1280 x 720, and a GPU waits for Python. torch has the same kernel for sequences that lie one after the other.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "torch_flash_windows"
"""As transformers knows it: with "flash" in its name a tower hands over where its sequences begin and end."""
_AMPERE = (8, 0)
"""Compute capability from which there is a kernel."""


def attend_in_one_call(model: Any) -> None:
    """Let the vision tower of one of Qwen's models (``model.visual``) do so while it is on a GPU in half precision."""
    AttentionInterface.register(NAME, windows_attention)
    tower = model.model.visual
    # A configuration of its own: whoever builds another model from that of this one gets the library's attention.
    own = copy.deepcopy(tower.config)
    own._attn_implementation = NAME
    for module in tower.modules():
        if getattr(module, "config", None) is tower.config and module is not tower:
            module.config = own
    tower.config = own


def windows_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **ignored: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' interface of an attention: query, key and value ``(1, heads, T, width)``, with sequence i at
    ``cu_seq_lens_q[i]`` to ``cu_seq_lens_q[i + 1]`` of T; returns ``(1, T, heads, width)``.

    Elsewhere (a CPU, fp32, a card before Ampere) it is what the library does, one call for each sequence.
    """
    if has_kernel(query):
        ends = cu_seq_lens_q.to(torch.int32)
        q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
        packed = varlen_attn(q, k, v, ends, ends, max_length_q, max_length_q, scale=scaling)
        assert isinstance(packed, torch.Tensor)  # a pair only if asked for more
        return packed[None], None
    lengths = cu_seq_lens_q.diff().tolist()
    parts = zip(*(torch.split(part, lengths, dim=2) for part in (query, key, value)), strict=True)
    found = [sdpa_attention_forward(module, *part, None, scaling=scaling, is_causal=False)[0] for part in parts]
    return torch.cat(found, dim=1), None


def has_kernel(query: torch.Tensor) -> bool:
    """Whether torch has an attention of sequences of several lengths for it."""
    half = query.dtype in (torch.bfloat16, torch.float16)
    return half and query.device.type == "cuda" and torch.cuda.get_device_capability(query.device) >= _AMPERE
