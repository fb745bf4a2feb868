"""LLaVA-1.5: a CLIP tower, a two-layer projector and a Llama language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sam2_assets.coordinates import Convention
from sam2_assets.training.families.base import (
    NO_SETTINGS,
    ORDINARY_FRAMES,
    FrameSizes,
    ModelFamily,
    ModelShape,
    PublishedModel,
)
from sam2_assets.training.families.base_files import load_weights, read_config, reading, text_settings
from sam2_assets.training.families.prompting import only_token, plain_question
from sam2_assets.training.families.sizes import (
    DecoderSizes,
    clip_vision_parameters,
    two_layer_projector_parameters,
)

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Llava(ModelFamily):
    """LLaVA-1.5, which was pretrained on frames padded to a square and boxes of 0..1 in that square."""

    name: ClassVar[str] = "llava"
    model_types: ClassVar[frozenset[str]] = frozenset({"llava"})
    coordinates: ClassVar[Convention] = Convention.PADDED_UNIT_SQUARE
    lora_targets: ClassVar[str] = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    projector_modules: ClassVar[tuple[str, ...]] = ("multi_modal_projector",)
    generations: ClassVar[str] = "LLaVA-1.5 (7B, 13B)"
    published: ClassVar[tuple[PublishedModel, ...]] = (
        PublishedModel(
            "llava-hf/llava-1.5-7b-hf", {"text_config": {"vocab_size": 32064}}, ("liuhaotian/llava-v1.5-7b",)
        ),
        PublishedModel(
            "llava-hf/llava-1.5-13b-hf",
            {
                "text_config": {
                    "vocab_size": 32064,
                    "hidden_size": 5120,
                    "intermediate_size": 13824,
                    "num_hidden_layers": 40,
                    "num_attention_heads": 40,
                    "num_key_value_heads": 40,
                }
            },
            ("liuhaotian/llava-v1.5-13b",),
        ),
    )
    views: ClassVar[tuple[str, ...]] = ("llava",)
    class_tokens: ClassVar[int] = 1
    """Tokens the vision tower puts before the patches; CLIP's one is dropped again by the "default" strategy."""
    attention: ClassVar[str | None] = None
    """Implementation of attention; None leaves the choice to transformers."""

    def describes(self, config: Mapping[str, Any]) -> bool:
        """LLaVA around a CLIP tower; other towers have other picture tokens, so they are other families."""
        vision = config.get("vision_config") or {}
        return super().describes(config) and vision.get("model_type", "clip_vision_model") == "clip_vision_model"

    def load_processor(self, base_model: str, revision: str | None = None) -> Any:
        """Tokenizer and picture processor; frames are always padded to a square, whatever the files say.

        The files of the published models say "resize the shorter side, crop the centre", which removes objects at the
        sides and contradicts the coordinates (LLaVA trains with ``expand2square``). The PIL backend is named, because
        the torchvision one gives other pixels, up to 0.03 a value, on machines that have torchvision.

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable`` or ``base_model_unreadable``.
        """
        from transformers import AutoTokenizer, LlavaImageProcessorPil, LlavaProcessor

        config = read_config(base_model, revision)
        with reading(base_model, "the processor"):
            tokenizer = AutoTokenizer.from_pretrained(base_model, revision=revision, trust_remote_code=False)
            pictures = LlavaImageProcessorPil.from_pretrained(base_model, revision=revision, do_pad=True)
            return LlavaProcessor(
                image_processor=pictures,
                tokenizer=tokenizer,
                patch_size=self._patch_size(config),
                vision_feature_select_strategy=config.get("vision_feature_select_strategy", "default"),
                num_additional_image_tokens=self.class_tokens,
                chat_template=tokenizer.chat_template,
            )

    def load_model(self, base_model: str, revision: str | None = None, *, dtype: torch.dtype) -> Any:
        """The model in evaluation mode, on the CPU, every parameter frozen.

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable``, ``base_model_unreadable`` or
                ``base_model_incomplete``.
        """
        from transformers import LlavaForConditionalGeneration

        read_config(base_model, revision)
        model = load_weights(
            LlavaForConditionalGeneration, base_model, revision, dtype=dtype, attn_implementation=self.attention
        )
        return self.frozen(model)

    def prompt(self, processor: Any, question: str) -> str:
        """``USER: <image>`` and a line break, the question, `` ASSISTANT:``, as Vicuna's conversations go on."""
        return f"USER: <image>\n{plain_question(processor, question)} ASSISTANT:"

    def completion(self, processor: Any, answer: str) -> str:
        """A space, the answer, ``</s>``: the space belongs to the answer's first token in Llama's tokenizer."""
        return f" {answer.strip()}{self.end_of_answer(processor)}"

    def end_of_answer(self, processor: Any) -> str:
        """``</s>``."""
        return only_token(processor, "</s>")

    def resized(self, processor: Any, frame: tuple[int, int]) -> tuple[int, int] | None:
        """None: coordinates count in the padded frame, whatever its size."""
        return None

    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask`` ``(B, T)`` int64 and ``pixel_values`` ``(B, 3, S, S)`` float32."""
        batch = processor(
            images=list(images), text=list(texts), padding=True, padding_side=padding_side, return_tensors="pt"
        )
        return dict(batch)

    def shape(
        self,
        config: Mapping[str, Any],
        frames: FrameSizes = ORDINARY_FRAMES,
        pictures: Mapping[str, Any] = NO_SETTINGS,
    ) -> ModelShape:
        """Sizes from ``config.json``; absent numbers are the defaults of transformers' Llama and CLIP ViT-L."""
        decoder = llama_decoder(text_settings(config), tied_at_top=bool(config.get("tie_word_embeddings", False)))
        vision = config.get("vision_config") or {}
        width, patch = int(vision.get("hidden_size", 1024)), int(vision.get("patch_size", 14))
        image_size = int(vision.get("image_size", 336))
        patches = (image_size // patch) ** 2
        return ModelShape(
            language_parameters=decoder.parameters,
            vision_parameters=clip_vision_parameters(
                width,
                int(vision.get("intermediate_size", 4096)),
                int(vision.get("num_hidden_layers", 24)),
                image_size,
                patch,
            ),
            projector_parameters=two_layer_projector_parameters(width, decoder.hidden, decoder.hidden),
            layers=decoder.layers,
            hidden_size=decoder.hidden,
            intermediate_size=decoder.intermediate,
            vocabulary=decoder.vocabulary,
            image_tokens=patches,
            mean_image_tokens=float(patches),
            mean_vision_tokens=float(patches + self.class_tokens),
            attention_kept=decoder.attention_kept,
            adapted_weights=decoder.attention_weights + decoder.mlp_weights,
        )

    def _patch_size(self, config: Mapping[str, Any]) -> int:
        return int((config.get("vision_config") or {}).get("patch_size", 14))


def llama_decoder(text: Mapping[str, Any], *, tied_at_top: bool) -> DecoderSizes:
    """Sizes of a Llama decoder from its ``text_config``; absent numbers are transformers' defaults (Llama 7B)."""
    hidden, heads = int(text.get("hidden_size", 4096)), int(text.get("num_attention_heads", 32))
    return DecoderSizes(
        layers=int(text.get("num_hidden_layers", 32)),
        hidden=hidden,
        intermediate=int(text.get("intermediate_size", 11008)),
        vocabulary=int(text.get("vocab_size", 32000)),
        heads=heads,
        key_value_heads=int(text.get("num_key_value_heads") or heads),
        head_width=int(text.get("head_dim") or hidden // heads),
        attention_bias=False,
        tied_embeddings=tied_at_top,
    )
