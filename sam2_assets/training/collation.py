"""From samples to batches: prompt and answer become tokens, everything outside the answer is masked.

A picture is decoded and resized once a run; encoded samples are kept in memory up to a bound.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset

from sam2_assets.errors import TrainingError
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.loss import IGNORED

_BLANK = (64, 64)


@dataclass(frozen=True)
class Encoded:
    """One sample as tensors.

    Args:
        tokens: ``input_ids``, ``attention_mask`` and whatever else has one value a token, ``(T,)`` each; the family's
            ``question_inputs``, ``(Q,)`` each.
        picture: the picture's tensors as the architecture wants them for a batch of one.
        labels: ``(T,)``, the ids of answer and end token, ``IGNORED`` elsewhere.
    """

    tokens: dict[str, torch.Tensor]
    picture: dict[str, torch.Tensor]
    labels: torch.Tensor


class Encoder:
    """Turns samples into tensors and remembers them.

    Args:
        family: the model family.
        processor: what ``family.load_processor`` returned.
        model_config: the model's configuration (names the picture token).
        picture_dtype: pictures are kept in the model's precision, to which it would cast them itself.
        memory_bytes: pictures beyond so many bytes are encoded again each time; the batches are the same.
    """

    def __init__(
        self, family: ModelFamily, processor: Any, model_config: Any, *, picture_dtype: torch.dtype, memory_bytes: int
    ) -> None:
        self.family = family
        self.processor = processor
        self._picture_token = family.image_token_id(processor, model_config)
        self._picture_dtype = picture_dtype
        self._memory_left = memory_bytes
        self._texts: dict[str, tuple[dict[str, torch.Tensor], torch.Tensor]] = {}
        self._pictures: dict[tuple[str, int], dict[str, torch.Tensor]] = {}
        self._prompts: dict[str, list[int]] = {}

    @property
    def padding_id(self) -> int:
        """Token id of padding; the attention mask hides it."""
        return int(self.processor.tokenizer.pad_token_id or 0)

    def question(self, sample: Sample) -> str:
        """The question with its boxes, if it names any, in the model's coordinates."""
        resized = self.family.resized(self.processor, (sample.width, sample.height))
        return sample.render_question(self.family.coordinates, resized)

    def picture_tokens(self, encoded: Encoded) -> int:
        """How many tokens stand for the picture."""
        return int((encoded.tokens["input_ids"] == self._picture_token).sum())

    def true_answer(self, sample: Sample) -> str:
        """The answer in the model's coordinates."""
        resized = self.family.resized(self.processor, (sample.width, sample.height))
        return sample.render_answer(self.family.coordinates, resized)

    def completion(self, sample: Sample) -> str:
        """What follows the prompt in training: the answer in the model's coordinates and the end token."""
        return self.family.completion(self.processor, self.true_answer(sample))

    def encode(self, sample: Sample) -> Encoded:
        """The sample as tensors.

        Raises:
            TrainingError: ``picture_undecodable``, ``answer_not_writable`` or ``prompt_mismatch``, naming the sample.
        """
        place = (sample.video_id, sample.frame_index)
        text, picture = self._texts.get(sample.sample_id), self._pictures.get(place)
        if text is None or picture is None:
            fresh = self._encode(sample)
            self._texts[sample.sample_id] = fresh.tokens, fresh.labels
            if picture is None:
                self._remember(place, fresh.picture)
            return fresh
        return Encoded(text[0], picture, text[1])

    def _remember(self, place: tuple[str, int], picture: dict[str, torch.Tensor]) -> None:
        size = sum(tensor.nbytes for tensor in picture.values())
        if size <= self._memory_left:
            self._memory_left -= size
            self._pictures[place] = picture

    def _encode(self, sample: Sample) -> Encoded:
        picture = decode_picture(sample)
        completion = self.completion(sample)
        text = self.family.prompt(self.processor, self.question(sample)) + completion
        batch = self.family.encode(self.processor, [picture], [text], padding_side="right")
        shape, of_question = batch["input_ids"].shape, self.family.question_inputs
        tokens = {name: value[0] for name, value in batch.items() if value.shape == shape or name in of_question}
        pictures = {
            name: value.to(self._picture_dtype) if value.is_floating_point() else value
            for name, value in batch.items()
            if name not in tokens
        }
        labels = self._labels(sample, tokens["input_ids"], completion)
        return Encoded(tokens, pictures, labels)

    def _labels(self, sample: Sample, ids: torch.Tensor, completion: str) -> torch.Tensor:
        prompt = self._prompt_ids(self.question(sample))
        # How many tokens a picture becomes depends on its size; the text around it does not.
        written = (ids != self._picture_token).nonzero().squeeze(1)
        if ids[written[: len(prompt)]].tolist() != prompt or len(written) <= len(prompt):
            raise _prompt_mismatch(sample)
        labels = ids.clone()
        labels[: int(written[len(prompt)])] = IGNORED
        decoded = self.processor.tokenizer.decode(
            labels[labels != IGNORED], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        if _comparable(decoded) != _comparable(completion):
            raise TrainingError(
                "answer_not_writable",
                f"the model's tokens read {decoded!r}",
                file=sample.sample_id,
                field="answer",
                value=completion,
                remedy="The model's vocabulary lacks a character of the answer: rename the label by a label map.",
            )
        return labels

    def _prompt_ids(self, question: str) -> list[int]:
        if question not in self._prompts:
            prompt = self.family.prompt(self.processor, question)
            blank = Image.new("RGB", _BLANK)
            ids = self.family.encode(self.processor, [blank], [prompt], padding_side="right")["input_ids"][0]
            self._prompts[question] = ids[ids != self._picture_token].tolist()
        return self._prompts[question]

    def check(self, sample: Sample) -> None:
        """Compare a sample's tokens with those that prediction starts from: the prompt alone, with this picture.

        Raises:
            TrainingError: ``prompt_mismatch`` if training would see another prompt than serving.
        """
        prompt = self.family.prompt(self.processor, self.question(sample))
        alone = self.family.encode(self.processor, [decode_picture(sample)], [prompt], padding_side="left")
        encoded = self.encode(sample)
        ids, start = encoded.tokens["input_ids"], alone["input_ids"][0]
        unsupervised = bool((encoded.labels[: len(start)] == IGNORED).all())
        pictures = int((start == self._picture_token).sum())
        if not torch.equal(ids[: len(start)], start) or not unsupervised or pictures == 0:
            raise _prompt_mismatch(sample)
        if bool((encoded.labels[len(start) :] == IGNORED).any()):
            raise _prompt_mismatch(sample)


def _comparable(text: str) -> str:
    # SentencePiece drops the space before a first word, and some vocabularies compose accents.
    return unicodedata.normalize("NFKC", text).strip()


def _prompt_mismatch(sample: Sample) -> TrainingError:
    return TrainingError(
        "prompt_mismatch",
        "the tokens of prompt and answer do not begin with the tokens of the prompt",
        file=sample.sample_id,
        field="question",
        value=sample.question,
        remedy="The base model's tokenizer does not fit its family; download the base model again.",
    )


def decode_picture(sample: Sample) -> Image.Image:
    """The sample's frame as RGB.

    Raises:
        TrainingError: ``picture_undecodable``, naming the sample.
    """
    try:
        return sample.image()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TrainingError(
            "picture_undecodable",
            f"the picture cannot be decoded ({str(error).splitlines()[0]})",
            file=sample.sample_id,
            remedy="The dataset is damaged: materialize instruction_dataset again.",
        ) from error


class Collator:
    """Batches of samples, padded on the right."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def __call__(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        """Model inputs and ``labels`` ``(B, T)`` of the samples.

        Raises:
            TrainingError: see :meth:`Encoder.encode`.
        """
        encoded = [self._encoder.encode(sample) for sample in samples]
        batch: dict[str, torch.Tensor] = {}
        for name in encoded[0].tokens:
            filler = self._encoder.padding_id if name == "input_ids" else 0
            batch[name] = _pad([one.tokens[name] for one in encoded], filler)
        for name in encoded[0].picture:
            batch[name] = torch.cat([one.picture[name] for one in encoded])
        batch["labels"] = _pad([one.labels for one in encoded], IGNORED)
        return batch


def _pad(rows: Sequence[torch.Tensor], filler: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=filler)


class SampleList(Dataset[Sample]):
    """Samples as torch's data loader takes them."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]
