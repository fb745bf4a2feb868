"""Named starting points of a training configuration; every field may be set beside them and then wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

CUSTOM = "custom"
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Does it run at all, and does the loss fall?
        "quick_test": {
            "max_samples": 64,
            "max_validation_samples": 16,
            "epochs": 1.0,
            "batch_size": 2,
            "evaluate_every_steps": 10,
            "log_every_steps": 1,
            "lora": {"rank": 8, "alpha": 16},
            "checkpoints": {"every_steps": 20},
        },
        "balanced": {
            "epochs": 3.0,
            "batch_size": 4,
            "gradient_accumulation": 4,
            "activation_checkpointing": True,
            "lora": {"rank": 32, "alpha": 64, "dropout": 0.05},
        },
        # A 7B model on a card of 24 GiB.
        "low_memory": {
            "epochs": 3.0,
            "batch_size": 1,
            "gradient_accumulation": 16,
            "activation_checkpointing": True,
            "lora": {"rank": 8, "alpha": 16, "train_projector": False},
            "optimizer": {"name": "adafactor"},
        },
        # More passes and a higher rank, ended when validation stops getting better; the best weights are published.
        "production": {
            "epochs": 5.0,
            "batch_size": 4,
            "gradient_accumulation": 8,
            "activation_checkpointing": True,
            "lora": {"rank": 64, "alpha": 128, "dropout": 0.05},
            "optimizer": {"learning_rate": 1.0e-4, "weight_decay": 0.01},
            "checkpoints": {"publish": "best", "keep": 3},
            "early_stopping": {"patience": 3},
        },
    }
)


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """A training section with its preset's fields below its own; unchanged if it names none, or one that is unknown."""
    preset = PRESETS.get(str(values.get("preset", CUSTOM)), {})
    return _below(preset, values)


def _below(preset: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = dict(values)
    for name, value in preset.items():
        own = values.get(name)
        if isinstance(value, Mapping) and (own is None or isinstance(own, Mapping)):
            merged[name] = _below(value, own or {})
        elif name not in values:
            merged[name] = value
    return merged


def fields_of(name: str) -> dict[str, Any]:
    """What a preset sets, by dotted field name."""
    return dict(_leaves(PRESETS[name], ""))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
