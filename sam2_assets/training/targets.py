"""Layers of a language model that adapters can lie on, by name: targets that hit none are refused before loading it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sam2_assets.errors import TrainingError
from sam2_assets.training.families.base import ModelFamily, ModelShape

ATTENTION: Final = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP: Final = ("gate_proj", "up_proj", "down_proj")
EMBEDDING: Final = "embed_tokens"
_LIST: Final = re.compile(r"\.\*language_model\.\*\\\.\(([\w.|]+)\)")
"""What ``expression_of`` makes of names; they are its group."""


def expression_of(names: Sequence[str]) -> str:
    """The regular expression of layers of the language model that are called by ``names``."""
    return rf".*language_model.*\.({'|'.join(names)})"


def adaptable_layers(family: ModelFamily, shape: ModelShape) -> list[str]:
    """Full names of the language model's linear layers and its embedding, as the family's models call them."""
    place = family.decoder_place
    blocks = [
        f"{place}.layers.{number}.{part}.{name}"
        for number in range(shape.layers)
        for part, names in (("self_attn", ATTENTION), ("mlp", MLP))
        for name in names
    ]
    return [f"{place}.{EMBEDDING}", *blocks, *family.further_layers]


def check_targets(targets: str | None, family: ModelFamily, shape: ModelShape) -> None:
    """Refuse targets that no layer of the language model fits, and a name in a list of them that none is called by.

    What else they hit, only the training can see.

    Args:
        targets: regular expression that a layer's whole name must fit, as PEFT reads it; None: the family's own.
        family: of the base model.
        shape: of the base model.

    Raises:
        TrainingError: ``lora_targets``, naming the layers that there are.
    """
    if targets is None:
        return
    layers = adaptable_layers(family, shape)
    try:
        wanted = re.compile(targets)
    except re.error as error:
        raise _refused(targets, f"this is no regular expression ({error})", layers) from error
    if not any(wanted.fullmatch(layer) for layer in layers):
        raise _refused(targets, "no layer of the language model has a name that it fits as a whole", layers)
    listed = _LIST.fullmatch(targets)
    for name in listed[1].split("|") if listed else ():
        if not any(re.fullmatch(expression_of([name]), layer) for layer in layers):
            raise _refused(targets, f"no layer of the language model is called {name!r}", layers)


def _refused(targets: str, why: str, layers: Sequence[str]) -> TrainingError:
    names = list(dict.fromkeys(layer.rsplit(".", 1)[-1] for layer in layers))
    example = next(layer for layer in layers if layer.endswith(ATTENTION[0]))
    return TrainingError(
        "lora_targets",
        why,
        field="training.lora.targets",
        value=targets,
        remedy=f"There are {', '.join(names)}, with whole names such as {example}. Write a list of names, "
        f"e.g. [q_proj, v_proj], or the expression that it stands for: {expression_of(ATTENTION[::2])}; "
        "or leave it empty for the family's own choice.",
    )
