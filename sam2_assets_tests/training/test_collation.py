from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL.Image import Image

from sam2_assets.errors import TrainingError
from sam2_assets.instructions.reading import load_samples
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.collation import Collator, Encoder
from sam2_assets.training.families import family_of
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.families.llava import Llava
from sam2_assets.training.loss import IGNORED
from sam2_assets_tests.instructions.raw_builder import moving_shots
from sam2_assets_tests.training.workshop import Data, build_data

FAMILIES = ["tiny_llava", "tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl", "tiny_instructblip"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(
        tmp_path_factory.mktemp("data"), moving_shots(30, step=24), tasks=("detect", "main_object", "count")
    )


@pytest.fixture(scope="module")
def samples(data: Data) -> list[Sample]:
    return load_samples(data.splits, data.datasets, "train")[:9]


def _encoder(base: Path, family: ModelFamily | None = None, memory_bytes: int = 10**9) -> Encoder:
    from transformers import AutoConfig

    known = family or family_of(str(base))
    config = AutoConfig.from_pretrained(str(base))
    processor = known.load_processor(str(base))
    return Encoder(known, processor, config, picture_dtype=torch.float32, memory_bytes=memory_bytes)


@pytest.mark.parametrize("base", FAMILIES)
def test_a_batch_equals_what_the_family_encodes_at_once(
    base: str, samples: list[Sample], request: pytest.FixtureRequest
) -> None:
    encoder = _encoder(request.getfixturevalue(base))
    texts = [encoder.family.prompt(encoder.processor, s.question) + encoder.completion(s) for s in samples]
    images = [sample.image() for sample in samples]
    expected = encoder.family.encode(encoder.processor, images, texts, padding_side="right")
    batch = Collator(encoder)(samples)
    labels = batch.pop("labels")
    assert batch.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(batch[name], value), name
    assert labels.shape == batch["input_ids"].shape


@pytest.mark.parametrize("base", FAMILIES)
def test_exactly_the_answer_and_its_end_are_supervised(
    base: str, samples: list[Sample], request: pytest.FixtureRequest
) -> None:
    encoder = _encoder(request.getfixturevalue(base))
    batch = Collator(encoder)(samples)
    for sample, ids, labels in zip(samples, batch["input_ids"], batch["labels"], strict=True):
        kept = labels != IGNORED
        assert torch.equal(ids[kept], labels[kept])
        decoded = encoder.processor.tokenizer.decode(labels[kept])
        resized = encoder.family.resized(encoder.processor, (sample.width, sample.height))
        answer = sample.render_answer(encoder.family.coordinates, resized)
        assert decoded.strip() == answer + encoder.family.end_of_answer(encoder.processor)


@pytest.mark.parametrize("base", FAMILIES)
def test_pictures_beyond_the_memory_bound_give_the_same_batches(
    base: str, samples: list[Sample], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(base)
    remembering, forgetting = Collator(_encoder(folder)), Collator(_encoder(folder, memory_bytes=0))
    for _ in range(2):
        first, second = remembering(samples), forgetting(samples)
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_picture_is_decoded_once_for_all_questions_about_it(
    samples: list[Sample], tiny_llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = _encoder(tiny_llava)
    Collator(encoder)(samples)
    monkeypatch.setattr(Sample, "image", lambda self: pytest.fail("decoded again"))
    Collator(encoder)(samples)


@pytest.mark.parametrize("base", FAMILIES)
def test_training_and_prediction_start_from_the_same_tokens(
    base: str, samples: list[Sample], request: pytest.FixtureRequest
) -> None:
    encoder = _encoder(request.getfixturevalue(base))
    for sample in samples:
        encoder.check(sample)


class _OtherPromptInServing(Llava):
    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        if padding_side == "left":
            texts = [text.replace("USER:", "User:") for text in texts]
        return super().encode(processor, images, texts, padding_side=padding_side)


class _LossyTokens(Llava):
    def encode(
        self, processor: Any, images: Sequence[Image], texts: Sequence[str], *, padding_side: str
    ) -> dict[str, torch.Tensor]:
        return super().encode(processor, images, [t.replace("ö", "o") for t in texts], padding_side=padding_side)


class _AnswerMergesWithPrompt(Llava):
    def prompt(self, processor: Any, question: str) -> str:
        return super().prompt(processor, question) + " "

    def completion(self, processor: Any, answer: str) -> str:
        return super().completion(processor, answer).lstrip()


def test_a_serving_prompt_that_differs_stops_the_run(samples: list[Sample], tiny_llava: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        _encoder(tiny_llava, _OtherPromptInServing()).check(samples[0])
    assert (caught.value.code, caught.value.file) == ("prompt_mismatch", samples[0].sample_id)


def test_an_answer_that_merges_with_the_prompt_stops_the_run(samples: list[Sample], tiny_llava: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        _encoder(tiny_llava, _AnswerMergesWithPrompt()).encode(samples[1])
    assert caught.value.code in {"prompt_mismatch", "answer_not_writable"}


def test_a_label_that_the_vocabulary_cannot_write_is_named(samples: list[Sample], tiny_llava: Path) -> None:
    named = next(sample for sample in samples if "ö" in sample.answer)
    with pytest.raises(TrainingError) as caught:
        _encoder(tiny_llava, _LossyTokens()).encode(named)
    assert (caught.value.code, caught.value.file) == ("answer_not_writable", named.sample_id)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_an_undecodable_picture_is_named_with_its_sample(
    samples: list[Sample], tiny_llava: Path, content: bytes
) -> None:
    broken = replace(samples[0], image_bytes=content)
    with pytest.raises(TrainingError) as caught:
        _encoder(tiny_llava).encode(broken)
    assert (caught.value.code, caught.value.file) == ("picture_undecodable", broken.sample_id)


def test_a_truncated_picture_is_named_with_its_sample(samples: list[Sample], tiny_llava: Path) -> None:
    broken = replace(samples[0], image_bytes=samples[0].image_bytes[:-200])
    with pytest.raises(TrainingError) as caught:
        _encoder(tiny_llava).encode(broken)
    assert caught.value.code == "picture_undecodable"
