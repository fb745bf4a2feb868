"""When the memory is full: what was needed, and what to set."""

from __future__ import annotations

import re

import torch

from sam2_assets.errors import TrainingError
from sam2_assets.training.estimate import GIB, largest_batch, memory_need
from sam2_assets.training.families import family_by_name
from sam2_assets.training.plan import Plan, shape_for

# torch raises a plain RuntimeError for the CPU's memory; this is how its allocator names itself.
_CPU_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"
_ASKED = re.compile(r"(?:Tried to allocate|you tried to allocate) ([\d.]+) ?(GiB|MiB|KiB|bytes)")
_UNITS = {"GiB": 1.0, "MiB": 1 / 1024, "KiB": 1 / 1024**2, "bytes": 1 / GIB}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch could not get the memory it asked for, of a GPU or of this machine."""
    return isinstance(error, torch.OutOfMemoryError) or _CPU_ALLOCATOR in str(error)


def out_of_memory(error: BaseException, plan: Plan, held_gib: float) -> TrainingError:
    """The error to show.

    Args:
        error: torch's.
        plan: of the run.
        held_gib: the most memory that was in use before, GiB.
    """
    config = plan.config
    shape = shape_for(config, family_by_name(plan.base.family), plan.data)
    asked = _ASKED.search(str(error))
    more = f", and {float(asked[1]) * _UNITS[asked[2]]:.2f} GiB more were asked for" if asked else ""
    # The estimate was too low by what is missing: the largest batch is counted in the memory that there is.
    largest = largest_batch(shape, config, plan.data.workload, held_gib)
    fits = max(1, min(config.batch_size // 2, largest or config.batch_size // 2))
    estimated = memory_need(shape, config, plan.data.workload, config.batch_size).total
    return TrainingError(
        "out_of_memory",
        f"the memory is full: {held_gib:.2f} GiB were in use{more}; the plan expected {estimated:.2f} GiB",
        field="batch_size",
        value=config.batch_size,
        remedy=_remedy(plan, fits),
    )


def _remedy(plan: Plan, fits: int) -> str:
    config = plan.config
    steps: list[str] = []
    if fits < config.batch_size:
        summed = -(-config.batch_size * config.gradient_accumulation // fits)
        steps.append(f"batch_size {fits} with gradient_accumulation {summed}")
    if not config.activation_checkpointing:
        steps.append("activation_checkpointing true")
    if config.precision == "fp32":
        steps.append("precision bf16")
    if config.optimizer.name != "adafactor":
        steps.append("optimizer.name adafactor")
    if not steps:
        return "Take a smaller base model, a lower lora.rank, or a card with more memory."
    return f"Set {', or '.join(steps)}; then plan and approve again."
