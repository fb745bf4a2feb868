"""Training steps on random weights of a real size: samples a second, share of the card's peak, use of it, memory.

``python -m benchmarks.gpu_training --shape llava-1.5-7b --batches 1 2 4 8 16 --peak-tflops 790 --json out.json`` needs
a GPU for sizes of 7B. ``--base FOLDER`` takes the shape of a base model on this machine instead (a tiny one runs on a
CPU). Each batch size is measured with all that the loop does, and with one thing changed at a time: activation
checkpointing, the library's loss over all positions instead of the trimmed one, the optimiser's loop instead of its
fused kernel, PEFT's and transformers' layers instead of the fused ones. The last row of a batch size is TRL's trainer
on the same weights and batch, where TRL is installed.
``--cap-gib 24`` lets torch take no more than a card of that size has; what does not fit is said.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from peft.tuners import lora

from benchmarks.gpu_trl import trl_steps, why_absent
from benchmarks.pace import WARM_UP, Pace
from benchmarks.random_models import ANSWER_TOKENS, FRAME, SHAPES, configuration, random_batch, random_model
from sam2_assets.training.adapters import adapt, parameter_groups, recompute_activations
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import GIB, sample_flops
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.families.window_attention import NAME as WINDOWS
from sam2_assets.training.fusion import FusedLinear, is_fused_norm
from sam2_assets.training.identity import BaseModelIdentity
from sam2_assets.training.loop import autocast
from sam2_assets.training.loss import answer_loss, supervised_tokens
from sam2_assets.training.memory import is_out_of_memory
from sam2_assets.training.rotary import take_library_rotations

TRL = "TRL"
LIBRARY_LAYERS = "library_layers"
VARIANTS = ("all", "checkpointing", "full_loss", "unfused", LIBRARY_LAYERS, TRL)
_LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Measured:
    """One batch size of one variant; None for what was not measured."""

    variant: str
    batch: int
    samples_per_s: float | None = None
    step_s: float | None = None
    mfu: float | None = None
    limit_samples_per_s: float | None = None
    busy_percent: float | None = None
    peak_gib: float | None = None
    loss: float | None = None
    why_not: str | None = None


def library_loss(model: Any, batch: dict[str, torch.Tensor], tokens: int) -> torch.Tensor:
    """The loss as transformers computes it, with the scores of every position."""
    loss: torch.Tensor = model(**batch, use_cache=False, num_items_in_batch=tokens).loss
    return loss


def take_library_layers(model: Any) -> None:
    """PEFT's adapted layers again, and norms, rotations and attention over windows as transformers computes them."""
    take_library_rotations(model)
    for module in model.modules():
        if isinstance(module, FusedLinear):
            module.__class__ = lora.Linear
        elif is_fused_norm(module):
            del module.forward
        if getattr(getattr(module, "config", None), "_attn_implementation", None) == WINDOWS:
            module.config._attn_implementation = "sdpa"


def our_steps(
    model: Any,
    family: ModelFamily,
    inputs: dict[str, torch.Tensor],
    count: int,
    *,
    variant: str,
    precision: str,
    pace: Pace,
) -> float:
    """Make ``count`` steps on one batch, as the training loop does but for ``variant``; the loss of the last one."""
    groups = parameter_groups(
        model, family.projector_modules, adapters_rate=_LEARNING_RATE, projector_rate=_LEARNING_RATE, weight_decay=0.0
    )
    fused = variant != "unfused"
    optimizer = torch.optim.AdamW(groups, fused=fused, foreach=None if fused else False)
    loss_of: Callable[..., torch.Tensor] = library_loss if variant == "full_loss" else answer_loss
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    pace.begin()
    for _ in range(count):
        with autocast(precision, inputs["input_ids"].device):
            loss = loss_of(model, inputs, supervised_tokens(inputs["labels"]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        pace.step_done()
    return loss.item()


def measure(
    family: ModelFamily,
    config: Any,
    variant: str,
    batch: int,
    *,
    steps: int,
    precision: str,
    peak_tflops: float,
    frame: tuple[int, int] = FRAME,
) -> Measured:
    """Two steps to warm up, then ``steps`` more; the median counts."""
    if variant == TRL and (absent := why_absent()):
        return Measured(variant, batch, why_not=absent)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpointing = variant == "checkpointing"
    settings = TrainingConfig.model_validate({"precision": precision, "activation_checkpointing": checkpointing})
    pace = Pace()
    try:
        model = random_model(family, config, precision, device)
        identity = BaseModelIdentity.model_construct(name="random", commit=None)
        adapted = adapt(model, family, settings.lora, identity).model.train()
        if variant in (LIBRARY_LAYERS, TRL):
            take_library_layers(adapted)
        if checkpointing:
            recompute_activations(adapted)
        inputs = random_batch(config, batch, device, frame)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        count = WARM_UP + steps
        if variant == TRL:
            loss = trl_steps(adapted, inputs, count, precision=precision, learning_rate=_LEARNING_RATE, pace=pace)
        else:
            loss = our_steps(adapted, family, inputs, count, variant=variant, precision=precision, pace=pace)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Measured(variant, batch, why_not=f"does not fit: {str(error).splitlines()[0]}")
    finally:
        pace.close()
    flops, _ = sample_flops(
        family.shape(config.to_dict(), {frame: 1}), settings, inputs["input_ids"].shape[1], ANSWER_TOKENS
    )
    rate = batch / pace.step_s
    return Measured(
        variant,
        batch,
        samples_per_s=rate,
        step_s=pace.step_s,
        mfu=rate * flops / (peak_tflops * 1e12),
        limit_samples_per_s=peak_tflops * 1e12 / flops,
        busy_percent=pace.busy_percent,
        peak_gib=torch.cuda.max_memory_allocated() / GIB if device.type == "cuda" else None,
        loss=loss,
    )


def measure_all(
    family: ModelFamily, config: Any, batches: Sequence[int], variants: Sequence[str] = VARIANTS, **settings: Any
) -> list[Measured]:
    """The variants of every batch size, each told on stderr when done; its memory is given back before the next."""
    found = []
    for batch in batches:
        for variant in variants:
            began = time.perf_counter()
            found.append(measure(family, config, variant, batch, **settings))
            print(f"{_row(found[-1])} in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return found


def table(rows: Sequence[Measured]) -> str:
    """Markdown; ``-`` for what was not measured."""
    lines = [
        "| variant | batch | samples/s | share of peak | limit, samples/s | card busy | peak GiB |",
        "|" + " --- |" * 7,
    ]
    return "\n".join([*lines, *map(_row, rows)]) + "\n"


def _row(row: Measured) -> str:
    if row.why_not is not None:
        return f"| {row.variant} | {row.batch} | {row.why_not.partition(':')[0]} | | | | |"
    busy = "-" if row.busy_percent is None else f"{row.busy_percent:.0f} %"
    peak = "-" if row.peak_gib is None else f"{row.peak_gib:.1f}"
    return (
        f"| {row.variant} | {row.batch} | {row.samples_per_s:.2f} | {row.mfu:.1%} | "
        f"{row.limit_samples_per_s:.1f} | {busy} | {peak} |"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), help="of random weights; default llava-1.5-7b")
    parser.add_argument("--base", type=Path, help="a folder whose config.json gives the shape instead")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=VARIANTS)
    parser.add_argument("--steps", type=int, default=10, help="measured, after two that are not")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--peak-tflops", type=float, default=790.0, help="of the card, dense, in this precision")
    parser.add_argument("--cap-gib", type=float, help="torch may take no more than this of the GPU")
    parser.add_argument("--frame", type=int, nargs=2, default=FRAME, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    on_gpu = torch.cuda.is_available()
    if given.cap_gib is not None:
        if not on_gpu:
            parser.error("--cap-gib needs a GPU")
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        torch.cuda.set_per_process_memory_fraction(min(1.0, given.cap_gib / total))
    family, config = configuration(given.shape, given.base)
    rows = measure_all(
        family,
        config,
        given.batches,
        given.variants,
        steps=given.steps,
        precision=given.precision,
        peak_tflops=given.peak_tflops,
        frame=tuple(given.frame),
    )
    print(table(rows))
    if given.json is not None:
        about = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "cap_gib": given.cap_gib,
            "peak_tflops": given.peak_tflops,
            "precision": given.precision,
            "family": family.name,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "trl": None if why_absent() else importlib.metadata.version("trl"),
        }
        given.json.write_text(json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
