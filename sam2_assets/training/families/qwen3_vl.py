"""Qwen3-VL: boxes in thousandths of the frame's sides, patches of 16 pixels, no system message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sam2_assets.coordinates import Convention
from sam2_assets.training.families.base import PublishedModel
from sam2_assets.training.families.base_files import text_settings
from sam2_assets.training.families.qwen_vl import QwenVL, patch_merger_parameters
from sam2_assets.training.families.sizes import DecoderSizes, transformer_block_parameters

_SMALL_TOWER = {
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "deepstack_visual_indexes": (5, 11, 17),
}


class Qwen3VL(QwenVL):
    """Qwen3-VL, which was pretrained on boxes of 0..1000 along each side of the frame.

    Its mergers for the features of deeper layers ("deepstack") stay frozen with the tower; the last one, through which
    the picture's own tokens go, is the projector.
    """

    name: ClassVar[str] = "qwen3_vl"
    model_types: ClassVar[frozenset[str]] = frozenset({"qwen3_vl"})
    coordinates: ClassVar[Convention] = Convention.THOUSANDTHS
    generations: ClassVar[str] = "Qwen3-VL (2B, 4B, 8B, 32B)"
    published: ClassVar[tuple[PublishedModel, ...]] = (
        PublishedModel(
            "Qwen/Qwen3-VL-2B-Instruct",
            {
                "tie_word_embeddings": True,
                "text_config": {
                    "hidden_size": 2048,
                    "intermediate_size": 6144,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 16,
                    "num_key_value_heads": 8,
                },
                "vision_config": {**_SMALL_TOWER, "out_hidden_size": 2048},
            },
        ),
        PublishedModel(
            "Qwen/Qwen3-VL-4B-Instruct",
            {
                "tie_word_embeddings": True,
                "text_config": {"hidden_size": 2560, "intermediate_size": 9728, "num_key_value_heads": 8},
                "vision_config": {**_SMALL_TOWER, "out_hidden_size": 2560},
            },
        ),
        PublishedModel("Qwen/Qwen3-VL-8B-Instruct", {"text_config": {"num_key_value_heads": 8}}),
    )
    views: ClassVar[tuple[str, ...]] = ("messages", "grounding")
    system: ClassVar[str | None] = None
    patch: ClassVar[int] = 16
    pixel_limits: ClassVar[tuple[int, int]] = (65_536, 16_777_216)

    def processor_class(self) -> Any:
        """Qwen3-VL's."""
        from sam2_assets.training.families.qwen_pictures_only import Qwen3VLProcessor

        return Qwen3VLProcessor

    def model_class(self) -> Any:
        """Qwen3-VL's."""
        from transformers import Qwen3VLForConditionalGeneration

        return Qwen3VLForConditionalGeneration

    def decoder(self, config: Mapping[str, Any]) -> DecoderSizes:
        """A Qwen3 decoder; absent numbers are those of the published 8B."""
        text = text_settings(config)
        heads = int(text.get("num_attention_heads", 32))
        return DecoderSizes(
            layers=int(text.get("num_hidden_layers", 36)),
            hidden=int(text.get("hidden_size", 4096)),
            intermediate=int(text.get("intermediate_size", 12288)),
            vocabulary=int(text.get("vocab_size", 151936)),
            heads=heads,
            key_value_heads=int(text.get("num_key_value_heads") or heads),
            head_width=int(text.get("head_dim", 128)),
            attention_bias=False,
            tied_embeddings=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            head_norms=True,
        )

    def vision(self, vision: Mapping[str, Any], decoder: DecoderSizes) -> tuple[int, int]:
        """Blocks as Qwen2-VL's, learned positions, and one merger a deepstack layer beside the projector."""
        width, merged = int(vision.get("hidden_size", 1152)), int(vision.get("spatial_merge_size", 2)) ** 2
        patch, frames = int(vision.get("patch_size", self.patch)), int(vision.get("temporal_patch_size", 2))
        outputs = int(vision.get("out_hidden_size", decoder.hidden))
        blocks = int(vision.get("depth", 27)) * transformer_block_parameters(
            width, int(vision.get("intermediate_size", 4304))
        )
        embeddings = 3 * frames * patch**2 * width + width + int(vision.get("num_position_embeddings", 2304)) * width
        deep = len(vision.get("deepstack_visual_indexes", (8, 16, 24))) * patch_merger_parameters(
            2 * width * merged, width * merged, outputs
        )
        return embeddings + blocks + deep, patch_merger_parameters(2 * width, width * merged, outputs)
