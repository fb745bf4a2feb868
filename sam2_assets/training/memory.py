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
# What torch says where a library under it got none: cuDNN calls that an internal error.
_LIBRARY_FAILED = re.compile(r"CUDNN_STATUS_|CUBLAS_STATUS_(ALLOC_FAILED|NOT_INITIALIZED|INTERNAL_ERROR)")
_CARD_FULL = re.compile(r"CUDA (driver )?error: out of memory")
_NOTHING_LEFT_GIB = 0.5
_CONTEXT_GIB = 0.6
"""What CUDA itself takes of a card for a process."""
_ASKED = re.compile(r"(?:Tried to allocate|you tried to allocate) ([\d.]+) ?(GiB|MiB|KiB|bytes)")
_UNITS = {"GiB": 1.0, "MiB": 1 / 1024, "KiB": 1 / 1024**2, "bytes": 1 / GIB}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, or a library under it, could not get the memory it asked for, of a GPU or of this machine."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or _CPU_ALLOCATOR in text or _CARD_FULL.search(text):
        return True
    return bool(_LIBRARY_FAILED.search(text)) and torch.cuda.is_available() and _free_gib()[0] < _NOTHING_LEFT_GIB


def of_other_programs() -> str:
    """Words about the memory that other programs hold of the card, to follow what this one holds; empty if none do."""
    if not torch.cuda.is_available():
        return ""
    free, total = _free_gib()
    others = total - free - torch.cuda.memory_reserved() / GIB - _CONTEXT_GIB
    return f"; other programs hold {others:.1f} GiB of this card (nvidia-smi names them)" if others > 1 else ""


def _free_gib() -> tuple[float, float]:
    """Of the card, free and in all."""
    free, total = torch.cuda.mem_get_info()
    return free / GIB, total / GIB


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
        f"the memory is full: {held_gib:.2f} GiB were in use{more}; the plan expected {estimated:.2f} GiB"
        + of_other_programs(),
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
