"""What the children of training, evaluation and packaging tell while they work, in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam2_assets.cli.printing import printable, time_in_words

_COUNTED = (("step", "steps"), ("samples_done", "samples"), ("answered", "of"), ("asked", "of"))
"""What is counted, and up to what."""
_LEFT = "eta_s"
_LOSSES = {"loss": "loss", "validation_loss": "validation loss"}
_PACE = "samples_per_s"
_ALREADY = "already"
_FOR_CURVES = {"learning_rate", "grad_norm", "peak_memory_gib", "plan_hash"}
"""Figures that TensorBoard and the metadata in the UI show, and that say nothing to somebody who waits."""


def in_short(told: Mapping[str, Any], age_s: float = 0.0) -> list[str]:
    """E.g. ``["step 40 of 130", "loss 1.21", "about 6 min left"]``; the phase where nothing is counted.

    Args:
        told: the fields of one report.
        age_s: seconds since it was told, which are no longer left.
    """
    counted = _counted(told)
    parts = [f"{name.split('_')[0]} {told[name]} of {told[of]}" for name, of in counted]
    if not parts and "phase" in told:
        parts.append(str(told["phase"]))
    parts += [f"{words} {told[name]:.3g}" for name, words in _LOSSES.items() if isinstance(told.get(name), float)]
    if isinstance(told.get(_LEFT), int | float):
        parts.append(f"{time_in_words(float(told[_LEFT]) - age_s)} left")
    return parts


def in_full(told: Mapping[str, Any]) -> str:
    """One line: the phase, how far it is, and whatever else was told that is not only for a curve."""
    counted = _counted(told)
    said = {"phase", _LEFT, _PACE, _ALREADY, *_LOSSES, *_FOR_CURVES, *(name for pair in counted for name in pair)}
    others = ["it was done before, nothing is repeated"] if told.get(_ALREADY) is True else []
    if isinstance(told.get(_PACE), float):
        others.append(f"{_short(told[_PACE])} samples/s")
    others += [
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in told.items()
        if name not in said and value is not None
    ]
    phase = str(told.get("phase", ""))
    parts = [part for part in in_short(told) if part != phase]
    return printable(f"{phase}: {', '.join([*parts, *others])}" if parts or others else phase)


def _counted(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, of) for name, of in _COUNTED if name in told and of in told][:1]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
