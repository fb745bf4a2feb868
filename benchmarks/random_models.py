"""Models of a real size with random weights, and batches for them: what the GPU benchmarks train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from sam2_assets.training.families import FAMILIES, family_of
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.loss import IGNORED

SHAPES = {"llava-1.5-7b": "llava", "qwen2.5-vl-7b": "qwen2_5_vl"}
TEXT_TOKENS = 128
ANSWER_TOKENS = 32
FRAME = (1280, 720)
"""Of a sample, for architectures whose picture tokens follow the frame's size."""


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


def random_model(family: ModelFamily, config: Any, precision: str, device: torch.device) -> Any:
    """Random weights, frozen, on the device: they are never on the CPU where there is a GPU."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    torch.manual_seed(0)
    with device:
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=dtype)
    return family.frozen(model)


def random_batch(
    config: Any, size: int, device: torch.device, frame: tuple[int, int] = FRAME
) -> dict[str, torch.Tensor]:
    """A batch as the collator makes it of samples of one length: pictures, 128 tokens of text, 32 supervised."""
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
