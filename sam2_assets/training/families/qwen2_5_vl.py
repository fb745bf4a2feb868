"""Qwen2.5-VL: boxes in pixels of the resized picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sam2_assets.coordinates import Convention
from sam2_assets.training.families.base import PublishedModel
from sam2_assets.training.families.qwen_vl import QwenVL, patch_merger_parameters, qwen2_decoder
from sam2_assets.training.families.sizes import DecoderSizes


class Qwen25VL(QwenVL):
    """Qwen2.5-VL, which was pretrained on absolute pixels of the picture its processor resized."""

    name: ClassVar[str] = "qwen2_5_vl"
    model_types: ClassVar[frozenset[str]] = frozenset({"qwen2_5_vl"})
    coordinates: ClassVar[Convention] = Convention.RESIZED_PIXELS
    generations: ClassVar[str] = "Qwen2.5-VL (3B, 7B, 32B, 72B)"
    published: ClassVar[tuple[PublishedModel, ...]] = (
        PublishedModel(
            "Qwen/Qwen2.5-VL-3B-Instruct",
            {
                "hidden_size": 2048,
                "intermediate_size": 11008,
                "num_hidden_layers": 36,
                "num_attention_heads": 16,
                "num_key_value_heads": 2,
                "vocab_size": 151936,
                "tie_word_embeddings": True,
                "vision_config": {"out_hidden_size": 2048},
            },
        ),
        PublishedModel("Qwen/Qwen2.5-VL-7B-Instruct", {"num_key_value_heads": 4}),
    )
    views: ClassVar[tuple[str, ...]] = ("grounding",)
    system: ClassVar[str | None] = "You are a helpful assistant."

    def processor_class(self) -> Any:
        """Qwen2.5-VL's."""
        from sam2_assets.training.families.qwen_pictures_only import Qwen2_5_VLProcessor

        return Qwen2_5_VLProcessor

    def model_class(self) -> Any:
        """Qwen2.5-VL's."""
        from transformers import Qwen2_5_VLForConditionalGeneration

        return Qwen2_5_VLForConditionalGeneration

    def decoder(self, config: Mapping[str, Any]) -> DecoderSizes:
        """A Qwen2 decoder."""
        return qwen2_decoder(config)

    def vision(self, vision: Mapping[str, Any], decoder: DecoderSizes) -> tuple[int, int]:
        """Blocks with RMS norms and gated MLPs; absent numbers are those of the published 7B."""
        width, merged = int(vision.get("hidden_size", 1280)), int(vision.get("spatial_merge_size", 2)) ** 2
        patch, frames = int(vision.get("patch_size", self.patch)), int(vision.get("temporal_patch_size", 2))
        inner = int(vision.get("intermediate_size", 3420))
        block = 2 * width + (3 * width * width + 3 * width) + (width * width + width) + 3 * width * inner + 2 * inner
        tower = 3 * frames * patch**2 * width + int(vision.get("depth", 32)) * (block + width)
        outputs = int(vision.get("out_hidden_size", decoder.hidden))
        return tower, patch_merger_parameters(width, width * merged, outputs)
