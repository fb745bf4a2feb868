"""Model families: one module each. Adding a family is a new module here and one entry in ``FAMILIES``.

Importing this package loads neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sam2_assets.errors import TrainingError
from sam2_assets.training.families.base import ModelFamily, ModelShape
from sam2_assets.training.families.base_files import read_config
from sam2_assets.training.families.demo import DemoAssembly
from sam2_assets.training.families.instructblip import InstructBlip
from sam2_assets.training.families.llava import Llava
from sam2_assets.training.families.qwen2_5_vl import Qwen25VL
from sam2_assets.training.families.qwen2_vl import Qwen2VL
from sam2_assets.training.families.qwen3_vl import Qwen3VL

FAMILIES: Mapping[str, ModelFamily] = MappingProxyType(
    {family.name: family for family in (Llava(), Qwen2VL(), Qwen25VL(), Qwen3VL(), InstructBlip(), DemoAssembly())}
)


def family_by_name(name: str) -> ModelFamily:
    """The family that settings call ``name``.

    Raises:
        TrainingError: ``unknown_family``.
    """
    if name not in FAMILIES:
        raise TrainingError(
            "unknown_family",
            "there is no such model family",
            field="family",
            value=name,
            remedy=f"Choose one of {', '.join(FAMILIES)}, or leave it empty.",
        )
    return FAMILIES[name]


def family_of(base_model: str, revision: str | None = None) -> ModelFamily:
    """The family of a base model, from its ``config.json``.

    Args:
        base_model: a folder on this machine, or a model id of a hub.
        revision: of a hub model: commit, tag or branch.

    Raises:
        TrainingError: ``unsupported_architecture``, ``base_model_missing``, ``base_model_unreachable`` or
            ``base_model_unreadable``.
    """
    config = read_config(base_model, revision)
    for family in FAMILIES.values():
        if family.describes(config):
            return family
    known = sorted(model_type for family in FAMILIES.values() for model_type in family.model_types)
    raise TrainingError(
        "unsupported_architecture",
        "no model family trains this architecture",
        file=f"{base_model}/config.json",
        field="model_type",
        value=config.get("model_type"),
        remedy=f"Take a base model of type {', '.join(dict.fromkeys(known))}, or add a module to training/families.",
    )


def canonical_name(model: str) -> str:
    """The id of a model that transformers reads, for an id of the same weights in another layout; else ``model``."""
    for family in FAMILIES.values():
        for published in family.published:
            if model in published.also_known_as:
                return published.name
    return model


__all__ = ["FAMILIES", "ModelFamily", "ModelShape", "canonical_name", "family_by_name", "family_of", "read_config"]
