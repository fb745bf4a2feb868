"""Parameter counts of the building blocks that families share, from the numbers of ``config.json``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderSizes:
    """A Llama-like decoder: grouped-query attention, gated MLP, RMS norms."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    heads: int
    key_value_heads: int
    head_width: int
    attention_bias: bool
    tied_embeddings: bool
    head_norms: bool = False
    """Whether queries and keys of a layer have a norm of a head's width each (Qwen3)."""

    @property
    def attention_weights(self) -> tuple[tuple[int, int], ...]:
        """``(in, out)`` of q, k, v and o of one layer."""
        queries, keys = self.heads * self.head_width, self.key_value_heads * self.head_width
        return (self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden)

    @property
    def attention_kept(self) -> int:
        """Numbers a token that attention keeps for the backward pass: rotated q and k, v, its output, and what norms
        of q and k took. Keys and values count for every head: in a padded batch transformers repeats them.
        """
        queries, keys = self.heads * self.head_width, self.key_value_heads * self.head_width
        return 4 * queries + (queries + keys if self.head_norms else 0)

    @property
    def mlp_weights(self) -> tuple[tuple[int, int], ...]:
        """``(in, out)`` of gate, up and down of one layer."""
        return (self.hidden, self.intermediate), (self.hidden, self.intermediate), (self.intermediate, self.hidden)

    @property
    def parameters(self) -> int:
        """Of the whole decoder with embeddings and head (counted once if they are tied)."""
        weights = sum(rows * columns for rows, columns in self.attention_weights + self.mlp_weights)
        # As in Qwen2: biases on q, k and v, none on o.
        biases = sum(columns for _, columns in self.attention_weights[:3]) if self.attention_bias else 0
        norms = 2 * self.hidden + (2 * self.head_width if self.head_norms else 0)
        embeddings = self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)
        return self.layers * (weights + biases + norms) + self.hidden + embeddings


def clip_vision_parameters(hidden: int, intermediate: int, layers: int, image_size: int, patch_size: int) -> int:
    """A CLIP vision transformer: patch, class and position embeddings, layers with biases, norms around them."""
    positions = (image_size // patch_size) ** 2 + 1
    embeddings = hidden + 3 * patch_size**2 * hidden + positions * hidden
    return embeddings + layers * transformer_block_parameters(hidden, intermediate) + 4 * hidden


def transformer_block_parameters(hidden: int, intermediate: int) -> int:
    """Self-attention and a two-layer MLP, all with biases, and two layer norms."""
    return 4 * (hidden**2 + hidden) + 2 * hidden * intermediate + intermediate + hidden + 4 * hidden


def two_layer_projector_parameters(inputs: int, hidden: int, outputs: int) -> int:
    """Two linear layers with biases."""
    return inputs * hidden + hidden + hidden * outputs + outputs
