"""Asking a base model, with or without an adapter: the same prompt bytes and pixels as in training.

Imports torch only when something is loaded or asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sam2_assets.coordinates import Box, ImageGeometry, from_model
from sam2_assets.errors import TrainingError
from sam2_assets.training.answers import parse_answer
from sam2_assets.training.families import ModelFamily, family_of
from sam2_assets.training.families.base_files import reading

if TYPE_CHECKING:
    from PIL.Image import Image

_ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Predictor:
    """A loaded model. Answers are greedy: the same pictures, questions and batch size give the same text."""

    family: ModelFamily
    processor: Any
    model: Any

    @classmethod
    def load(
        cls,
        base_model: str,
        adapter: Path | None = None,
        *,
        revision: str | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> Predictor:
        """Load a base model, and an adapter on top of it, onto the accelerator if there is one.

        Args:
            base_model: a folder on this machine, or a model id of a hub.
            adapter: a folder that PEFT wrote; None asks the base model itself.
            revision: of a hub model: commit, tag or branch.
            precision: of weights and activations.

        Raises:
            TrainingError: ``adapter_missing``, ``adapter_unreadable``, or what reading the base model raises.
        """
        import torch
        from transformers import GenerationConfig

        family = family_of(base_model, revision)
        processor = family.load_processor(base_model, revision)
        model = family.load_model(base_model, revision, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
        # What a call leaves out is taken from the model's own file: Qwen2.5-VL's asks for sampling and a repetition
        # penalty, which would punish the second 0 of a box.
        model.generation_config = GenerationConfig()
        if adapter is not None:
            model = _with_adapter(model, adapter)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(family, processor, model.to(device).eval())

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], *, max_new_tokens: int, batch_size: int = 8
    ) -> list[str]:
        """One answer text for each picture and question, without the end token.

        Args:
            images: RGB pictures of any size, one a question.
            questions: plain text; the family makes the prompt.
            max_new_tokens: an answer is cut off after so many tokens.
            batch_size: pictures the model takes at once; more is faster and needs more memory.

        Raises:
            TrainingError: ``question_has_control_token``, or ``frame_too_narrow`` from a family that resizes frames.
            ValueError: if there are not as many pictures as questions.
        """
        if len(images) != len(questions):
            raise ValueError(f"{len(images)} pictures for {len(questions)} questions")
        answers: list[str] = []
        for start in range(0, len(images), batch_size):
            chunk = slice(start, start + batch_size)
            answers += self._answer_batch(images[chunk], questions[chunk], max_new_tokens)
        return answers

    def boxes(self, text: str, frame_size: tuple[int, int]) -> list[tuple[str, Box]]:
        """The labelled boxes of an answer in frame pixels.

        Args:
            text: an answer to a question about a frame of ``frame_size``.
            frame_size: ``(width, height)`` of the frame, pixels.

        Returns:
            ``(label, (x, y, w, h))`` of each line that has a box, clipped to the frame, in the answer's order.
        """
        geometry = ImageGeometry(frame_size, self.family.resized(self.processor, frame_size))
        return [
            (parsed.label, from_model(parsed.numbers, self.family.coordinates, geometry))
            for parsed in parse_answer(text)
            if parsed.numbers is not None
        ]

    def _answer_batch(self, images: Sequence[Image], questions: Sequence[str], max_new_tokens: int) -> list[str]:
        import torch
        from transformers import GenerationConfig

        tokenizer = self.processor.tokenizer
        prompts = [self.family.prompt(self.processor, question) for question in questions]
        inputs = self.family.encode(self.processor, images, prompts, padding_side="left")
        end = tokenizer.convert_tokens_to_ids(self.family.end_of_answer(self.processor))
        greedy = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            on_device = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}
            tokens = self.model.generate(**on_device, generation_config=greedy)
        written = tokens[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    if not (adapter / _ADAPTER_CONFIG).is_file():
        raise TrainingError(
            "adapter_missing",
            f"there is no {_ADAPTER_CONFIG}",
            file=str(adapter),
            remedy="Name the folder adapter/ inside a published lora_adapter.",
        )
    with reading(str(adapter), "the adapter"):
        return PeftModel.from_pretrained(model, adapter)
