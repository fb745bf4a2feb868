"""InstructBLIP: a ViT, a Q-Former that reads the question, and a Llama language model (Vicuna)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sam2_assets.coordinates import Convention
from sam2_assets.errors import TrainingError
from sam2_assets.training.families.base import (
    NO_SETTINGS,
    ORDINARY_FRAMES,
    FrameSizes,
    ModelFamily,
    ModelShape,
    PublishedModel,
)
from sam2_assets.training.families.base_files import load_weights, read_config, reading, text_settings
from sam2_assets.training.families.llava import llama_decoder
from sam2_assets.training.families.prompting import only_token, plain_question
from sam2_assets.training.families.sizes import transformer_block_parameters

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_INSTRUCTION_ENDS = " Answer:"
_QFORMER_TOKENIZER = "qformer_tokenizer"


class InstructBlip(ModelFamily):
    """InstructBLIP with a Llama language model; its pretraining had no boxes.

    Its processor squashes the frame to a square, so that thousandths of each side are what its pictures show: a box
    there has the same numbers whatever the frame's shape.
    """

    name: ClassVar[str] = "instructblip"
    model_types: ClassVar[frozenset[str]] = frozenset({"instructblip"})
    coordinates: ClassVar[Convention] = Convention.THOUSANDTHS
    lora_targets: ClassVar[str] = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    decoder_place: ClassVar[str] = "language_model.model"
    further_layers: ClassVar[tuple[str, ...]] = ("language_model.lm_head",)
    projector_modules: ClassVar[tuple[str, ...]] = ("language_projection",)
    generations: ClassVar[str] = "InstructBLIP-Vicuna (7B, 13B)"
    published: ClassVar[tuple[PublishedModel, ...]] = (
        PublishedModel("Salesforce/instructblip-vicuna-7b", {"text_config": {"vocab_size": 32001}}),
    )
    boxes_pretrained: ClassVar[bool] = False
    views: ClassVar[tuple[str, ...]] = ("messages",)
    question_inputs: ClassVar[tuple[str, ...]] = ("qformer_input_ids", "qformer_attention_mask")

    def load_processor(self, base_model: str, revision: str | None = None) -> Any:
        """Both tokenizers and the picture processor; the PIL backend, as for LLaVA.

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable`` or ``base_model_unreadable``.
        """
        from transformers import AutoTokenizer, BlipImageProcessorPil, InstructBlipProcessor

        config = read_config(base_model, revision)
        with reading(base_model, "the processor"):
            tokenizer = AutoTokenizer.from_pretrained(base_model, revision=revision, trust_remote_code=False)
            qformer = AutoTokenizer.from_pretrained(
                base_model, revision=revision, subfolder=_QFORMER_TOKENIZER, trust_remote_code=False
            )
            pictures = BlipImageProcessorPil.from_pretrained(base_model, revision=revision)
            queries = int(config.get("num_query_tokens", 32))
            return InstructBlipProcessor(pictures, tokenizer, qformer, num_query_tokens=queries)

    def load_model(self, base_model: str, revision: str | None = None, *, dtype: torch.dtype) -> Any:
        """The model in evaluation mode, on the CPU, every parameter frozen.

        The Q-Former's dropout is off: it stays frozen, and noise in front of a frozen part would only make training
        differ from serving.

        Raises:
            TrainingError: ``base_model_missing``, ``base_model_unreachable``, ``base_model_unreadable`` or
                ``base_model_incomplete``.
        """
        from torch.nn import Dropout
        from transformers import InstructBlipForConditionalGeneration

        read_config(base_model, revision)
        model = load_weights(InstructBlipForConditionalGeneration, base_model, revision, dtype=dtype)
        for module in model.qformer.modules():
            if isinstance(module, Dropout):
                module.p = 0.0
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = 0.0
        return self.frozen(model)

    def prompt(self, processor: Any, question: str) -> str:
        """``Question:``, the question, `` Answer:``; the processor puts the picture's tokens before it."""
        return f"Question: {plain_question(processor, question)}{_INSTRUCTION_ENDS}"

    def completion(self, processor: Any, answer: str) -> str:
        """A space, the answer, ``</s>``: the space belongs to the answer's first token in Llama's tokenizer."""
        return f" {answer.strip()}{self.end_of_answer(processor)}"

    def end_of_answer(self, processor: Any) -> str:
        """``</s>``."""
        return only_token(processor, "</s>")

    def resized(self, processor: Any, frame: tuple[int, int]) -> tuple[int, int] | None:
        """None: thousandths do not depend on it."""

    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        """``input_ids``, ``attention_mask`` ``(B, T)``, ``qformer_input_ids``, ``qformer_attention_mask`` ``(B, Q)``
        and ``pixel_values`` ``(B, 3, S, S)``.

        The Q-Former reads the instruction only: with the answer it would hand the language model what that is to say.
        """
        batch = processor(
            images=list(images), text=list(texts), padding=True, padding_side=padding_side, return_tensors="pt"
        )
        instructions = []
        for text in texts:
            question, mark, _ = text.partition(_INSTRUCTION_ENDS)
            instructions.append(question + mark)
        read = processor.qformer_tokenizer(
            instructions, padding=True, padding_side="right", return_token_type_ids=False, return_tensors="pt"
        )
        return {**batch, "qformer_input_ids": read["input_ids"], "qformer_attention_mask": read["attention_mask"]}

    def shape(
        self,
        config: Mapping[str, Any],
        frames: FrameSizes = ORDINARY_FRAMES,
        pictures: Mapping[str, Any] = NO_SETTINGS,
    ) -> ModelShape:
        """Sizes from ``config.json``; absent numbers are transformers' defaults. The Q-Former counts as vision.

        Raises:
            TrainingError: ``unsupported_language_model`` if the language model is no Llama (T5).
        """
        text = text_settings(config)
        if text.get("model_type", "llama") != "llama":
            raise TrainingError(
                "unsupported_language_model",
                "InstructBLIP is trained with a Llama language model only",
                file="config.json",
                field="text_config.model_type",
                value=text.get("model_type"),
                remedy="Take a Vicuna variant, e.g. Salesforce/instructblip-vicuna-7b.",
            )
        decoder = llama_decoder(text, tied_at_top=bool(config.get("tie_word_embeddings", False)))
        vision, qformer = config.get("vision_config") or {}, config.get("qformer_config") or {}
        queries, hidden = int(config.get("num_query_tokens", 32)), int(qformer.get("hidden_size", 768))
        return ModelShape(
            language_parameters=decoder.parameters,
            vision_parameters=_vision_parameters(vision)
            + _qformer_parameters(qformer, int(vision.get("hidden_size", 1408)))
            + queries * hidden,
            projector_parameters=hidden * decoder.hidden + decoder.hidden,
            layers=decoder.layers,
            hidden_size=decoder.hidden,
            intermediate_size=decoder.intermediate,
            vocabulary=decoder.vocabulary,
            image_tokens=queries,
            mean_image_tokens=float(queries),
            mean_vision_tokens=float(_positions(vision)),
            attention_kept=decoder.attention_kept,
            adapted_weights=decoder.attention_weights + decoder.mlp_weights,
        )


def _vision_parameters(vision: Mapping[str, Any]) -> int:
    width, patch = int(vision.get("hidden_size", 1408)), int(vision.get("patch_size", 14))
    block = transformer_block_parameters(width, int(vision.get("intermediate_size", 6144)))
    embeddings = width + 3 * patch**2 * width + width + _positions(vision) * width
    return embeddings + int(vision.get("num_hidden_layers", 39)) * block + 2 * width


def _positions(vision: Mapping[str, Any]) -> int:
    """Patches of a picture, and one for the class."""
    return (int(vision.get("image_size", 224)) // int(vision.get("patch_size", 14))) ** 2 + 1


def _qformer_parameters(qformer: Mapping[str, Any], vision_width: int) -> int:
    hidden, inner = int(qformer.get("hidden_size", 768)), int(qformer.get("intermediate_size", 3072))
    layers, every = int(qformer.get("num_hidden_layers", 12)), int(qformer.get("cross_attention_frequency", 2))
    words = int(qformer.get("vocab_size", 30522)) + int(qformer.get("max_position_embeddings", 512))
    attention = 4 * (hidden**2 + hidden) + 2 * hidden
    across = 2 * (hidden**2 + hidden) + 2 * (vision_width * hidden + hidden) + 2 * hidden
    # Queries and text have an MLP each.
    mlps = 2 * (2 * hidden * inner + inner + hidden + 2 * hidden)
    return words * hidden + 2 * hidden + layers * (attention + mlps) + len(range(0, layers, every)) * across
