"""What a model family knows: loading, prompt, coordinates, LoRA targets, sizes. Adding one touches nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sam2_assets.coordinates import Convention

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


FrameSizes = Mapping[tuple[int, int], int]
"""``(width, height)`` of frames in pixels, to the number of samples that have such a one."""
ORDINARY_FRAMES: Final[FrameSizes] = {(1280, 720): 1}
NO_SETTINGS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class ModelShape:
    """Sizes from a model's ``config.json``, enough to estimate memory and time without loading it."""

    language_parameters: int
    vision_parameters: int
    projector_parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    vocabulary: int
    image_tokens: int
    """Tokens that the largest picture becomes in the language model."""
    mean_image_tokens: float
    """The same of an average picture."""
    mean_vision_tokens: float
    """Tokens that the vision tower computes for an average picture, before it or what follows it joins them."""
    attention_kept: int
    """Numbers a token that the attention of one layer keeps for the backward pass."""
    adapted_weights: tuple[tuple[int, int], ...]
    """``(in, out)`` of every weight of one layer that the family's LoRA targets adapt."""


@dataclass(frozen=True)
class PublishedModel:
    """A base model that a hub holds.

    Args:
        name: the hub's model id.
        config: what its ``config.json`` says where it differs from the defaults of the family's ``shape``.
        also_known_as: ids of the same weights in a layout that transformers does not read.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    also_known_as: tuple[str, ...] = ()


class ModelFamily(ABC):
    """One architecture. Instances hold no weights; processors and models are passed in.

    ``processor`` is what ``load_processor`` returned, ``model`` what ``load_model`` returned. No method of a family
    runs remote code; weights are read from safetensors only.
    """

    name: ClassVar[str]
    """As settings, cards and tables spell it."""
    model_types: ClassVar[frozenset[str]]
    """``model_type`` values of ``config.json`` that are this family."""
    coordinates: ClassVar[Convention]
    lora_targets: ClassVar[str]
    """Regular expression (full match) of the language model's linear layers."""
    decoder_place: ClassVar[str] = "model.language_model"
    """Module under which the language model's ``layers`` and ``embed_tokens`` lie."""
    further_layers: ClassVar[tuple[str, ...]] = ()
    """Names of layers of the language model beside those that adapters can lie on."""
    projector_modules: ClassVar[tuple[str, ...]]
    """Names of the modules between vision and language, for PEFT's ``modules_to_save``."""
    generations: ClassVar[str] = ""
    """What it is, for tables."""
    published: ClassVar[tuple[PublishedModel, ...]] = ()
    """Models of hubs that it trains, small ones first."""
    boxes_pretrained: ClassVar[bool] = True
    """Whether the published weights have seen boxes in these coordinates."""
    views: ClassVar[tuple[str, ...]] = ()
    """Formats of the dataset that other tools read for this family (``instructions.views``)."""
    question_inputs: ClassVar[tuple[str, ...]] = ()
    """Names of what ``encode`` returns that hangs on the question and has a length of its own, ``(B, Q)``."""

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a ``config.json`` is of this family; by ``model_type`` unless a family looks closer."""
        return config.get("model_type") in self.model_types

    @abstractmethod
    def load_processor(self, base_model: str, revision: str | None = None) -> Any:
        """Tokenizer and picture processor, from a folder or a hub."""

    @abstractmethod
    def load_model(self, base_model: str, revision: str | None = None, *, dtype: torch.dtype) -> Any:
        """The model in evaluation mode, on the CPU, every parameter frozen."""

    def frozen(self, model: Any) -> Any:
        """A model of the library as ``load_model`` hands it out: in evaluation mode, no parameter trained.

        A family may replace the computation of a part by an equal one; names and values of weights stay.
        """
        return model.eval().requires_grad_(False)

    @abstractmethod
    def prompt(self, processor: Any, question: str) -> str:
        """The exact prompt text for one picture and one question, up to where the answer begins."""

    @abstractmethod
    def end_of_answer(self, processor: Any) -> str:
        """The text that ends an answer, e.g. ``</s>`` or ``<|im_end|>``; one token."""

    def completion(self, processor: Any, answer: str) -> str:
        """The text that follows the prompt in training: the answer and what ends it.

        ``encode`` of prompt + completion starts with the very tokens of ``encode`` of the prompt alone. An answer that
        begins with white space would break that (it could merge with the prompt's end), so the ends are stripped.
        """
        return f"{answer.strip()}{self.end_of_answer(processor)}"

    @abstractmethod
    def resized(self, processor: Any, frame: tuple[int, int]) -> tuple[int, int] | None:
        """``(width, height)`` the processor resizes a frame of that size to, if the coordinates depend on it."""

    @abstractmethod
    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        """Model inputs for one picture and one text each: ``input_ids`` and ``attention_mask`` of shape ``(B, T)``,
        pixel tensors as the architecture wants them. Nothing is truncated.
        """

    @abstractmethod
    def shape(
        self,
        config: Mapping[str, Any],
        frames: FrameSizes = ORDINARY_FRAMES,
        pictures: Mapping[str, Any] = NO_SETTINGS,
    ) -> ModelShape:
        """Sizes from the contents of ``config.json``.

        Args:
            config: those contents.
            frames: sizes of frames to count picture tokens for, where an architecture's hang on them.
            pictures: what :meth:`picture_settings` returned.
        """

    def picture_settings(self, base_model: str, revision: str | None = None) -> Mapping[str, Any]:
        """What a base model's picture processor is set to, if the number of picture tokens hangs on it."""
        return NO_SETTINGS

    def image_token_id(self, processor: Any, config: Any) -> int:
        """The id that stands for picture tokens in ``input_ids``."""
        return int(config.image_token_id)
