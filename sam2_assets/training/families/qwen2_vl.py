"""Qwen2-VL: boxes in thousandths of the frame's sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sam2_assets.coordinates import Convention
from sam2_assets.training.families.base import PublishedModel
from sam2_assets.training.families.qwen_vl import QwenVL, patch_merger_parameters, qwen2_decoder
from sam2_assets.training.families.sizes import DecoderSizes, transformer_block_parameters


class Qwen2VL(QwenVL):
    """Qwen2-VL, which was pretrained on boxes of 0..1000 along each side of the frame."""

    name: ClassVar[str] = "qwen2_vl"
    model_types: ClassVar[frozenset[str]] = frozenset({"qwen2_vl"})
    coordinates: ClassVar[Convention] = Convention.THOUSANDTHS
    generations: ClassVar[str] = "Qwen2-VL (2B, 7B, 72B)"
    published: ClassVar[tuple[PublishedModel, ...]] = (
        PublishedModel(
            "Qwen/Qwen2-VL-2B-Instruct",
            {
                "hidden_size": 1536,
                "intermediate_size": 8960,
                "num_attention_heads": 12,
                "num_key_value_heads": 2,
                "vocab_size": 151936,
                "tie_word_embeddings": True,
                "vision_config": {"hidden_size": 1536},
            },
        ),
        PublishedModel("Qwen/Qwen2-VL-7B-Instruct", {"num_key_value_heads": 4, "vision_config": {"hidden_size": 3584}}),
    )
    views: ClassVar[tuple[str, ...]] = ("messages", "grounding")
    system: ClassVar[str | None] = "You are a helpful assistant."

    def processor_class(self) -> Any:
        """Qwen2-VL's."""
        from sam2_assets.training.families.qwen_pictures_only import Qwen2VLProcessor

        return Qwen2VLProcessor

    def model_class(self) -> Any:
        """Qwen2-VL's."""
        from transformers import Qwen2VLForConditionalGeneration

        return Qwen2VLForConditionalGeneration

    def decoder(self, config: Mapping[str, Any]) -> DecoderSizes:
        """A Qwen2 decoder."""
        return qwen2_decoder(config)

    def vision(self, vision: Mapping[str, Any], decoder: DecoderSizes) -> tuple[int, int]:
        """Blocks with layer norms and plain MLPs; absent numbers are those of the published models."""
        width, merged = int(vision.get("embed_dim", 1280)), int(vision.get("spatial_merge_size", 2)) ** 2
        patch, frames = int(vision.get("patch_size", self.patch)), int(vision.get("temporal_patch_size", 2))
        block = transformer_block_parameters(width, round(width * float(vision.get("mlp_ratio", 4))))
        tower = 3 * frames * patch**2 * width + int(vision.get("depth", 32)) * block
        # What the merger puts out is called hidden_size here.
        return tower, patch_merger_parameters(2 * width, width * merged, int(vision.get("hidden_size", decoder.hidden)))
