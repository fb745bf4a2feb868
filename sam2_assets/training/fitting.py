"""Whether a run fits the declared card, in words: the largest batch that does, and what to set where it does not."""

from __future__ import annotations

from typing import Any

from sam2_assets.training.config import MOST_SAMPLES, TrainingConfig
from sam2_assets.training.estimate import Estimate, Workload, largest_batch, memory_need
from sam2_assets.training.families.base import ModelShape
from sam2_assets.training.presets import PRESETS

_SPARING = "low_memory"


def fit_in_words(config: TrainingConfig, figures: Estimate) -> str:
    """What the run takes of its card, and the largest batch that the card takes."""
    card = config.card
    most = f"the largest batch_size that fits is {min(figures.largest_batch, MOST_SAMPLES)}"
    return (
        f"{figures.memory_gib:g} GiB of the {card.memory_gib:g} GiB of the declared card ({card.name}); "
        f"{most if figures.largest_batch else 'not even a batch_size of 1 fits'}"
    )


def what_to_set(shape: ModelShape, config: TrainingConfig, workload: Workload) -> str:
    """What makes a run fit that does not: each way with the batch that then fits, by the plan's own formula."""
    card = config.card.memory_gib
    ways = []
    if fits := largest_batch(shape, config, workload, card):
        summed = -(-config.batch_size * config.gradient_accumulation // fits)
        ways.append(f"batch_size {fits} with gradient_accumulation {summed}")
    if not config.activation_checkpointing:
        recomputing = config.model_copy(update={"activation_checkpointing": True})
        if fits := largest_batch(shape, recomputing, workload, card):
            ways.append(f"activation_checkpointing true (batch_size up to {min(fits, MOST_SAMPLES)})")
    sparing = _with(config, _SPARING)
    if largest_batch(shape, sparing, workload, card):
        ways.append(f"preset {_SPARING} in place of the fields that it sets")
    if ways:
        return f"Set {', or '.join(ways)}; or declare another card in training.card."
    least = memory_need(shape, sparing, workload, 1).total
    return (
        f"Even the fields of preset {_SPARING} need {least:.3g} GiB: take a smaller base model, "
        "or a card with more memory, and declare it in training.card."
    )


def _with(config: TrainingConfig, preset: str) -> TrainingConfig:
    """The same run with a preset's fields instead of its own."""
    return TrainingConfig.model_validate(_over(config.model_dump(), PRESETS[preset]))


def _over(values: dict[str, Any], preset: Any) -> dict[str, Any]:
    nested = {name: _over(values[name], value) if isinstance(value, dict) else value for name, value in preset.items()}
    return {**values, **nested}
