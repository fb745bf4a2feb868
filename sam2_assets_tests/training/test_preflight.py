"""The last look before the first step: every family passes it, and each thing that it looks at can fail it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sam2_assets.errors import TrainingError
from sam2_assets.instructions.reading import load_samples
from sam2_assets.instructions.sample import Sample
from sam2_assets.instructions.tasks import TASKS
from sam2_assets.training.adapters import Adapted, adapt
from sam2_assets.training.collation import Encoder
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.families import family_of
from sam2_assets.training.families.base import ModelFamily, ModelShape
from sam2_assets.training.families.llava import Llava
from sam2_assets.training.families.qwen2_5_vl import Qwen25VL
from sam2_assets.training.identity import identify
from sam2_assets.training.preflight import preflight
from sam2_assets.training.progress import Scalar
from sam2_assets_tests.instructions.raw_builder import moving_shots
from sam2_assets_tests.training.workshop import build_data, small_config

FAMILIES = ["tiny_llava", "tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl", "tiny_instructblip"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    shots = moving_shots(30, step=24)
    data = build_data(tmp_path_factory.mktemp("data"), shots, tasks=("detect", "main_object", "count"))
    return load_samples(data.splits, data.datasets, "train")


def _parts(base: Path, family: ModelFamily | None = None, config: TrainingConfig | None = None) -> tuple[Any, ...]:
    known = family or family_of(str(base))
    processor = known.load_processor(str(base))
    model = known.load_model(str(base), dtype=torch.float32)
    encoder = Encoder(known, processor, model.config, picture_dtype=torch.float32, memory_bytes=10**9)
    chosen = config or small_config(base)
    return adapt(model, known, chosen.lora, identify(str(base), None, None)), encoder, chosen


def _look(adapted: Adapted, encoder: Encoder, config: TrainingConfig, samples: list[Sample]) -> dict[str, Scalar]:
    return preflight(adapted, encoder, samples, config, torch.device("cpu"), nullcontext())


def _refused(parts: tuple[Any, ...], samples: list[Sample]) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        _look(*parts, samples)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("base", FAMILIES)
def test_every_family_passes_and_says_what_it_teaches(
    base: str, samples: list[Sample], request: pytest.FixtureRequest
) -> None:
    adapted, encoder, config = _parts(request.getfixturevalue(base))
    state = torch.get_rng_state()
    found = _look(adapted, encoder, config, samples)
    assert torch.equal(torch.get_rng_state(), state), "a drawn random number would change the training"
    assert found["samples"] == 3
    assert found["tasks"] == ", ".join(dict.fromkeys(sample.task for sample in samples))
    end = encoder.family.end_of_answer(encoder.processor)
    assert str(found["taught"]).endswith(end)
    assert "".join(str(found["taught"]).split()) == "".join(encoder.completion(samples[0]).split())
    assert 0 < float(str(found["corner_error_px"])) < 1
    assert int(str(found["picture_tokens"])) > 0
    assert found["adapted_modules"] == len(adapted.adapted_modules)


def test_every_task_passes(tiny_llava: Path, tmp_path: Path) -> None:
    data = build_data(tmp_path, moving_shots(30, step=24), tasks=tuple(TASKS))
    every = load_samples(data.splits, data.datasets, "train")
    found = _look(*_parts(tiny_llava), every)
    assert found["samples"] == len({sample.task for sample in every}) > 6


class _NeverEnding(Llava):
    def completion(self, processor: Any, answer: str) -> str:
        return answer.strip()


class _OnePixelLarger(Qwen25VL):
    def resized(self, processor: Any, frame: tuple[int, int]) -> tuple[int, int] | None:
        size = super().resized(processor, frame)
        return None if size is None else (size[0] + 1, size[1])


class _MoreLayers(Llava):
    def shape(self, config: Any) -> ModelShape:
        shape = super().shape(config)
        return replace(shape, layers=shape.layers + 1)


def test_an_answer_without_its_end_is_refused(tiny_llava: Path, samples: list[Sample]) -> None:
    assert _refused(_parts(tiny_llava, _NeverEnding()), samples).code == "end_token_missing"


def test_coordinates_in_another_size_than_the_picture_are_refused(tiny_qwen2_5_vl: Path, samples: list[Sample]) -> None:
    error = _refused(_parts(tiny_qwen2_5_vl, _OnePixelLarger()), samples)
    assert error.code == "frame_size_mismatch"
    assert error.file == samples[0].sample_id


def test_a_box_that_does_not_come_back_is_refused(tiny_llava: Path, samples: list[Sample]) -> None:
    sample = next(sample for sample in samples if sample.answered_objects())
    outside = replace(sample.objects[0], box=(-40.0, 0.0, 60.0, 10.0))
    error = _refused(_parts(tiny_llava), [replace(sample, objects=(outside, *sample.objects[1:]))])
    assert (error.code, error.file) == ("box_not_kept", sample.sample_id)


def test_adapters_that_are_not_on_every_layer_are_refused(tiny_llava: Path, samples: list[Sample]) -> None:
    error = _refused(_parts(tiny_llava, _MoreLayers()), samples)
    assert (error.code, error.field) == ("lora_targets", "lora.targets")
    own = small_config(tiny_llava, lora={"targets": r".*language_model.*\.q_proj"})
    found = _look(*_parts(tiny_llava, _MoreLayers(), own), samples)
    assert found["adapted_modules"] == 2


def test_a_processor_of_another_model_is_refused(tiny_llava: Path, samples: list[Sample]) -> None:
    adapted, encoder, config = _parts(tiny_llava)
    encoder.processor.patch_size *= 2
    error = _refused((adapted, encoder, config), samples)
    assert (error.code, error.file) == ("picture_tokens", samples[0].sample_id)
