"""What Qwen2-VL, Qwen2.5-VL and Qwen3-VL have in common: pictures of any shape, ChatML, the same picture processor."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sam2_assets.coordinates import Convention, qwen_picture_size
from sam2_assets.errors import TrainingError
from sam2_assets.training.families.base import NO_SETTINGS, ORDINARY_FRAMES, FrameSizes, ModelFamily, ModelShape
from sam2_assets.training.families.base_files import (
    load_weights,
    read_config,
    read_picture_settings,
    reading,
    text_settings,
)
from sam2_assets.training.families.prompting import only_token, plain_question
from sam2_assets.training.families.sizes import DecoderSizes, two_layer_projector_parameters

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class QwenVL(ModelFamily):
    """A generation of Qwen's vision-language models; each has its own module with what differs."""

    lora_targets: ClassVar[str] = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    projector_modules: ClassVar[tuple[str, ...]] = ("visual.merger",)
    system: ClassVar[str | None]
    """The system message that the published chat template puts before every conversation."""
    patch: ClassVar[int] = 14
    """Side of a patch in pixels; four patches become one token."""
    pixel_limits: ClassVar[tuple[int, int]] = (3136, 12_845_056)
    """Fewest and most pixels of a picture after resizing, in the published processors."""

    @abstractmethod
    def processor_class(self) -> Any:
        """The processor class of ``qwen_pictures_only``."""

    @abstractmethod
    def model_class(self) -> Any:
        """The library's class of the model."""

    @abstractmethod
    def decoder(self, config: Mapping[str, Any]) -> DecoderSizes:
        """Sizes of the language model; absent numbers are those of a published model."""

    @abstractmethod
    def vision(self, vision: Mapping[str, Any], decoder: DecoderSizes) -> tuple[int, int]:
        """Parameters of the ``vision_config``: of the frozen tower, and of the merger."""

    def load_processor(self, base_model: str, revision: str | None = None) -> Any:
        """Tokenizer and picture processor, without the video processor (it needs torchvision).

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable`` or ``base_model_unreadable``.
        """
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        read_config(base_model, revision)
        with reading(base_model, "the processor"):
            tokenizer = AutoTokenizer.from_pretrained(base_model, revision=revision, trust_remote_code=False)
            pictures = Qwen2VLImageProcessorPil.from_pretrained(base_model, revision=revision)
            return self.processor_class()(
                image_processor=pictures, tokenizer=tokenizer, chat_template=tokenizer.chat_template
            )

    def load_model(self, base_model: str, revision: str | None = None, *, dtype: torch.dtype) -> Any:
        """The model in evaluation mode, on the CPU, every parameter frozen.

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable``, ``base_model_unreadable`` or
                ``base_model_incomplete``.
        """
        read_config(base_model, revision)
        return self.frozen(load_weights(self.model_class(), base_model, revision, dtype=dtype))

    def frozen(self, model: Any) -> Any:
        """Also with a vision tower that does not keep a GPU waiting."""
        from sam2_assets.training.families.patch_product import replace_patch_convolutions
        from sam2_assets.training.families.window_attention import attend_in_one_call

        replace_patch_convolutions(model)
        attend_in_one_call(model)
        return super().frozen(model)

    def prompt(self, processor: Any, question: str) -> str:
        """ChatML, the picture before the question, as the published template; a system message if that has one."""
        system = "" if self.system is None else f"<|im_start|>system\n{self.system}<|im_end|>\n"
        return (
            f"{system}<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>"
            f"{plain_question(processor, question)}<|im_end|>\n<|im_start|>assistant\n"
        )

    def end_of_answer(self, processor: Any) -> str:
        """``<|im_end|>``."""
        return only_token(processor, "<|im_end|>")

    def resized(self, processor: Any, frame: tuple[int, int]) -> tuple[int, int] | None:
        """``(width, height)`` by the processor's own rule (``smart_resize``), with its own pixel limits; None where
        coordinates do not depend on it.

        Raises:
            TrainingError: ``frame_too_narrow`` if one side is over 200 times the other.
        """
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        pictures = processor.image_processor
        width, height = frame
        try:
            new_height, new_width = smart_resize(
                height,
                width,
                factor=pictures.patch_size * pictures.merge_size,
                min_pixels=pictures.size["shortest_edge"],
                max_pixels=pictures.size["longest_edge"],
            )
        except ValueError as error:
            raise TrainingError(
                "frame_too_narrow",
                "Qwen's models take no picture with one side over 200 times the other",
                field="frame",
                value=frame,
                remedy="Crop or pad the video.",
            ) from error
        return (new_width, new_height) if self.coordinates is Convention.RESIZED_PIXELS else None

    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask``, ``mm_token_type_ids`` ``(B, T)``; ``pixel_values`` (patches of all
        pictures, one below the other) and ``image_grid_thw`` ``(B, 3)``.
        """
        batch = processor(
            images=list(images), text=list(texts), padding=True, padding_side=padding_side, return_tensors="pt"
        )
        return dict(batch)

    def picture_settings(self, base_model: str, revision: str | None = None) -> Mapping[str, Any]:
        """The picture processor's own file: people lower its pixel limits to save memory.

        Raises:
            TrainingError: ``base_model_unreadable`` if it is no JSON object.
        """
        return read_picture_settings(base_model, revision)

    def shape(
        self,
        config: Mapping[str, Any],
        frames: FrameSizes = ORDINARY_FRAMES,
        pictures: Mapping[str, Any] = NO_SETTINGS,
    ) -> ModelShape:
        """Sizes from ``config.json``; absent numbers are those of a published model."""
        decoder = self.decoder(config)
        vision = config.get("vision_config") or {}
        tower, merger = self.vision(vision, decoder)
        merged = int(vision.get("spatial_merge_size", 2))
        tokens = self._picture_tokens(frames, int(vision.get("patch_size", self.patch)) * merged, pictures)
        mean = sum(count * samples for count, samples in tokens.items()) / sum(tokens.values())
        return ModelShape(
            language_parameters=decoder.parameters,
            vision_parameters=tower,
            projector_parameters=merger,
            layers=decoder.layers,
            hidden_size=decoder.hidden,
            intermediate_size=decoder.intermediate,
            vocabulary=decoder.vocabulary,
            image_tokens=max(tokens),
            mean_image_tokens=mean,
            mean_vision_tokens=mean * merged**2,
            attention_kept=decoder.attention_kept,
            adapted_weights=decoder.attention_weights + decoder.mlp_weights,
        )

    def _picture_tokens(self, frames: FrameSizes, cell: int, pictures: Mapping[str, Any]) -> dict[int, int]:
        """Tokens of a picture to the number of samples; ``cell`` is the side of a token in pixels."""
        sides = pictures.get("size") or {}
        least, most = self.pixel_limits
        found: dict[int, int] = {}
        for frame, samples in frames.items():
            width, height = qwen_picture_size(
                frame,
                factor=cell,
                least_pixels=int(pictures.get("min_pixels") or sides.get("shortest_edge") or least),
                most_pixels=int(pictures.get("max_pixels") or sides.get("longest_edge") or most),
            )
            tokens = (width // cell) * (height // cell)
            found[tokens] = found.get(tokens, 0) + samples
        return found


def qwen2_decoder(config: Mapping[str, Any]) -> DecoderSizes:
    """Sizes of a Qwen2 decoder from ``config.json``; absent numbers are those of Qwen2.5-VL-7B."""
    text = text_settings(config)
    hidden, heads = int(text.get("hidden_size", 3584)), int(text.get("num_attention_heads", 28))
    return DecoderSizes(
        layers=int(text.get("num_hidden_layers", 28)),
        hidden=hidden,
        intermediate=int(text.get("intermediate_size", 18944)),
        vocabulary=int(text.get("vocab_size", 152064)),
        heads=heads,
        key_value_heads=int(text.get("num_key_value_heads") or heads),
        head_width=int(text.get("head_dim") or hidden // heads),
        attention_bias=True,
        tied_embeddings=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
    )


def patch_merger_parameters(norm: int, width: int, outputs: int) -> int:
    """A norm of ``norm`` parameters and two layers: ``width`` to ``width`` to ``outputs``."""
    return norm + two_layer_projector_parameters(width, width, outputs)
