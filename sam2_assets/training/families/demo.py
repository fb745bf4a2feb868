"""The demo's base model: LLaVA's architecture around parts that install from the package index.

EfficientNet-Lite0 (ImageNet) sees, SmolLM2-135M-Instruct speaks; ``sam2_assets.training.demo_base`` puts them together.
It is small enough to be fine-tuned on two CPU cores, and it is not a pretrained vision-language model: the projector
between its parts starts from random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sam2_assets.training.families.base import NO_SETTINGS, ORDINARY_FRAMES, FrameSizes, ModelShape, PublishedModel
from sam2_assets.training.families.base_files import text_settings
from sam2_assets.training.families.llava import Llava, llama_decoder
from sam2_assets.training.families.prompting import only_token, plain_question
from sam2_assets.training.families.sizes import two_layer_projector_parameters

if TYPE_CHECKING:
    import torch

VISION_MODEL_TYPE = "efficientnet_lite0_vision"
_VISION_PARAMETERS = 3_350_000
"""EfficientNet-Lite0 without its classifier, batch norms folded into the convolutions (a test counts them)."""


class DemoAssembly(Llava):
    """SmolLM2-135M-Instruct with EfficientNet-Lite0, 49 picture tokens, frames padded to a square."""

    name: ClassVar[str] = "demo_assembly"
    lora_targets: ClassVar[str] = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
    generations: ClassVar[str] = "SmolLM2-135M-Instruct + EfficientNet-Lite0"
    published: ClassVar[tuple[PublishedModel, ...]] = ()
    boxes_pretrained: ClassVar[bool] = False
    class_tokens: ClassVar[int] = 0
    # On a CPU the fused kernel's backward pass takes a quarter of a bf16 step of this model; the plain one is faster.
    attention: ClassVar[str | None] = "eager"

    def describes(self, config: Mapping[str, Any]) -> bool:
        """LLaVA around the demo's own vision tower."""
        vision = config.get("vision_config") or {}
        return config.get("model_type") in self.model_types and vision.get("model_type") == VISION_MODEL_TYPE

    def load_processor(self, base_model: str, revision: str | None = None) -> Any:
        """As LLaVA's, once transformers knows the vision tower."""
        from sam2_assets.training.demo_base.vision_tower import register

        register()
        return super().load_processor(base_model, revision)

    def load_model(self, base_model: str, revision: str | None = None, *, dtype: torch.dtype) -> Any:
        """As LLaVA's, once transformers knows the vision tower."""
        from sam2_assets.training.demo_base.vision_tower import register

        register()
        return super().load_model(base_model, revision, dtype=dtype)

    def prompt(self, processor: Any, question: str) -> str:
        """SmolLM2's chat format without a system message (its 20 tokens would be a fifth of the sequence)."""
        return f"<|im_start|>user\n<image>\n{plain_question(processor, question)}<|im_end|>\n<|im_start|>assistant\n"

    def completion(self, processor: Any, answer: str) -> str:
        """The answer and ``<|im_end|>``."""
        return f"{answer.strip()}{self.end_of_answer(processor)}"

    def end_of_answer(self, processor: Any) -> str:
        """``<|im_end|>``."""
        return only_token(processor, "<|im_end|>")

    def shape(
        self,
        config: Mapping[str, Any],
        frames: FrameSizes = ORDINARY_FRAMES,
        pictures: Mapping[str, Any] = NO_SETTINGS,
    ) -> ModelShape:
        """Sizes from ``config.json``; the vision tower has one size only."""
        decoder = llama_decoder(text_settings(config), tied_at_top=bool(config.get("tie_word_embeddings", False)))
        vision = config["vision_config"]
        patches = (int(vision["image_size"]) // int(vision["patch_size"])) ** 2
        return ModelShape(
            language_parameters=decoder.parameters,
            vision_parameters=_VISION_PARAMETERS,
            projector_parameters=two_layer_projector_parameters(
                int(vision["hidden_size"]), decoder.hidden, decoder.hidden
            ),
            layers=decoder.layers,
            hidden_size=decoder.hidden,
            intermediate_size=decoder.intermediate,
            vocabulary=decoder.vocabulary,
            image_tokens=patches,
            mean_image_tokens=float(patches),
            mean_vision_tokens=float(patches),
            attention_kept=decoder.attention_kept,
            adapted_weights=decoder.attention_weights,
        )
