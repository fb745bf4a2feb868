"""Training steps on random weights of a real size: samples a second, share of the card's peak, memory.

``python -m benchmarks.gpu_training --shape llava-1.5-7b --batches 1 2 4 8 16 --peak-tflops 790 --json out.json`` needs
a GPU for sizes of 7B. ``--base FOLDER`` takes the shape of a base model on this machine instead (a tiny one runs on a
CPU). Each batch size is measured with all that the loop does, and with one thing changed at a time: activation
checkpointing, the library's loss over all positions instead of the trimmed one, the optimiser's loop instead of its
fused kernel. ``--cap-gib 24`` lets torch take no more than a card of that size has; what does not fit is said.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import peft
import torch
import transformers

from sam2_assets.training.adapters import adapt, parameter_groups, recompute_activations
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import GIB, sample_flops
from sam2_assets.training.families import FAMILIES, family_of
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.identity import BaseModelIdentity
from sam2_assets.training.loop import autocast
from sam2_assets.training.loss import IGNORED, answer_loss, supervised_tokens
from sam2_assets.training.memory import is_out_of_memory

SHAPES = {"llava-1.5-7b": "llava", "qwen2.5-vl-7b": "qwen2_5_vl"}
VARIANTS = ("all", "checkpointing", "full_loss", "unfused")
TEXT_TOKENS = 128
ANSWER_TOKENS = 32
FRAME = (1280, 720)
"""Of a sample, for architectures whose picture tokens follow the frame's size."""


@dataclass(frozen=True)
class Measured:
    """One batch size of one variant; None for what was not measured."""

    variant: str
    batch: int
    samples_per_s: float | None
    step_s: float | None
    mfu: float | None
    limit_samples_per_s: float | None
    peak_gib: float | None
    loss: float | None
    why_not: str | None = None


def configuration(shape: str | None, base: Path | None) -> tuple[ModelFamily, Any]:
    """The family, and the configuration of random weights in its architecture."""
    if base is not None:
        return family_of(str(base)), transformers.AutoConfig.from_pretrained(str(base))
    family = FAMILIES[SHAPES[shape or "llava-1.5-7b"]]
    if family.name == "llava":
        vision = transformers.CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
            projection_dim=768,
        )
        text = transformers.LlamaConfig(vocab_size=32064)
        return family, transformers.LlavaConfig(vision_config=vision, text_config=text)
    # The library's defaults are the sizes of 72B.
    return family, transformers.Qwen2_5_VLConfig(
        vision_config={"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 3584},
        text_config={
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
        },
    )


def random_model(config: Any, precision: str, device: torch.device) -> Any:
    """Random weights, frozen, on the device: they are never on the CPU where there is a GPU."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    torch.manual_seed(0)
    with device:
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)


def random_batch(
    config: Any, size: int, device: torch.device, frame: tuple[int, int] = FRAME
) -> dict[str, torch.Tensor]:
    """A batch as the collator makes it: pictures, a text of 128 tokens, the last 32 of them supervised."""
    draw = torch.Generator().manual_seed(1)
    vision, text = config.vision_config, config.text_config
    picture: dict[str, torch.Tensor] = {}
    if hasattr(vision, "spatial_merge_size"):
        merged = vision.patch_size * vision.spatial_merge_size
        wide, high = (max(1, round(side / merged)) * vision.spatial_merge_size for side in frame)
        patches = high * wide
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        picture["pixel_values"] = torch.randn(size * patches, width, generator=draw)
        picture["image_grid_thw"] = torch.tensor([(1, high, wide)] * size)
        count = patches // vision.spatial_merge_size**2
    else:
        side = vision.image_size
        picture["pixel_values"] = torch.randn(size, 3, side, side, generator=draw)
        count = (side // vision.patch_size) ** 2
    words = torch.randint(10, text.vocab_size - 10, (size, TEXT_TOKENS), generator=draw)
    words[words == config.image_token_id] = 10
    ids = torch.cat([words[:, :1], torch.full((size, count), config.image_token_id), words[:, 1:]], dim=1)
    labels = ids.clone()
    labels[:, :-ANSWER_TOKENS] = IGNORED
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels, **picture}
    if "image_grid_thw" in picture:
        batch["mm_token_type_ids"] = (ids == config.image_token_id).long()
    return {name: value.to(device) for name, value in batch.items()}


def library_loss(model: Any, batch: dict[str, torch.Tensor], tokens: int) -> torch.Tensor:
    """The loss as transformers computes it, with the scores of every position."""
    loss: torch.Tensor = model(**batch, use_cache=False, num_items_in_batch=tokens).loss
    return loss


def _step(
    model: Any, batch: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer, loss_of: Callable[..., torch.Tensor],
    precision: str, device: torch.device,
) -> float:  # fmt: skip
    with autocast(precision, device):
        loss = loss_of(model, batch, supervised_tokens(batch["labels"]))
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()  # waits for the device


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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpointing = variant == "checkpointing"
    settings = TrainingConfig.model_validate({"precision": precision, "activation_checkpointing": checkpointing})
    shape = family.shape(config.to_dict())
    try:
        model = random_model(config, precision, device)
        identity = BaseModelIdentity.model_construct(name="random", commit=None)
        adapted = adapt(model, family, settings.lora, identity).model.train()
        if checkpointing:
            recompute_activations(adapted)
        groups = parameter_groups(
            adapted, family.projector_modules, adapters_rate=1e-4, projector_rate=1e-4, weight_decay=0.0
        )
        fused = variant != "unfused"
        optimizer = torch.optim.AdamW(groups, fused=fused, foreach=None if fused else False)
        loss_of = library_loss if variant == "full_loss" else answer_loss
        inputs = random_batch(config, batch, device, frame)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(2 + steps):
            started = time.perf_counter()
            loss = _step(adapted, inputs, optimizer, loss_of, precision, device)
            seconds.append(time.perf_counter() - started)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Measured(variant, batch, None, None, None, None, None, None, str(error).splitlines()[0])
    step = median(seconds[2:])
    flops, _ = sample_flops(shape, settings, inputs["input_ids"].shape[1], ANSWER_TOKENS)
    return Measured(
        variant,
        batch,
        samples_per_s=batch / step,
        step_s=step,
        mfu=batch / step * flops / (peak_tflops * 1e12),
        limit_samples_per_s=peak_tflops * 1e12 / flops,
        peak_gib=torch.cuda.max_memory_allocated() / GIB if device.type == "cuda" else None,
        loss=loss,
    )


def measure_all(family: ModelFamily, config: Any, batches: Sequence[int], **settings: Any) -> list[Measured]:
    """Every variant of every batch size; the memory of one is given back before the next."""
    found = []
    for batch in batches:
        for variant in VARIANTS:
            found.append(measure(family, config, variant, batch, **settings))
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return found


def table(rows: Sequence[Measured]) -> str:
    """Markdown."""
    lines = ["| variant | batch | samples/s | share of peak | limit, samples/s | peak GiB |", "|" + " --- |" * 6]
    for row in rows:
        if row.why_not is not None:
            lines.append(f"| {row.variant} | {row.batch} | does not fit | | | |")
            continue
        peak = "not measured" if row.peak_gib is None else f"{row.peak_gib:.1f}"
        lines.append(
            f"| {row.variant} | {row.batch} | {row.samples_per_s:.2f} | {row.mfu:.1%} | "
            f"{row.limit_samples_per_s:.1f} | {peak} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), help="of random weights; default llava-1.5-7b")
    parser.add_argument("--base", type=Path, help="a folder whose config.json gives the shape instead")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16])
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
        }
        given.json.write_text(json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
