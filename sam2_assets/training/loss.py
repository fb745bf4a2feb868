"""Cross-entropy on the supervised tokens only: the scores of all other positions are never computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

IGNORED = -100
"""Label of a token that is not learned (prompt, picture, padding), as transformers and PyTorch spell it."""


def supervised_tokens(labels: torch.Tensor) -> int:
    """How many tokens of ``labels`` ``(B, T)`` are learned; the first token of a sequence has no predecessor."""
    return int((labels[:, 1:] != IGNORED).sum())


def answer_loss(model: Any, batch: Mapping[str, torch.Tensor], tokens: torch.Tensor | int) -> torch.Tensor:
    """The summed cross-entropy of the answers, divided by ``tokens``: a scalar.

    Equal to the library's own loss with ``num_items_in_batch=tokens`` (tested to 1e-5), but the language model's head
    runs on the positions that predict a supervised token of at least one sample of the batch, through the public
    argument ``logits_to_keep``. For LLaVA-1.5-7B, 16 samples of 704 tokens, the full scores alone would be 1.4 GB in
    fp32, several times over.

    Args:
        model: a causal language model with pictures, or its PEFT wrapping.
        batch: model inputs and ``labels`` ``(B, T)``.
        tokens: supervised tokens to average over: of this batch, or of all batches that are accumulated.
    """
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    targets = batch["labels"][:, 1:]
    supervised = targets != IGNORED
    positions = supervised.any(dim=0).nonzero().squeeze(1)
    scores = model(**inputs, use_cache=False, logits_to_keep=positions).logits
    kept = supervised[:, positions]
    summed = functional.cross_entropy(scores[kept].float(), targets[:, positions][kept], reduction="sum")
    return summed / tokens
