"""Answers are deterministic, independent of padding, and boxes come back in frame pixels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image

from sam2_assets.coordinates import ImageGeometry, model_text
from sam2_assets.errors import TrainingError
from sam2_assets.training.families import family_of
from sam2_assets.training.prediction import Predictor

IMAGES = [Image.new("RGB", size, color) for size, color in (((64, 48), "red"), ((48, 80), "blue"), ((90, 30), "green"))]
QUESTIONS = ["Where is the square?", "What is the main object in this frame, and where is it?", "Q?"]


@pytest.fixture(params=["tiny_llava", "tiny_qwen2_5_vl"])
def base(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def _adapter(base: Path, out: Path, *, seed: int) -> Path:
    family = family_of(str(base))
    torch.manual_seed(seed)
    model = get_peft_model(
        family.load_model(str(base), dtype=torch.float32),
        LoraConfig(r=4, target_modules=family.lora_targets, init_lora_weights=False),
    )
    model.save_pretrained(out)
    return out


def test_the_same_questions_get_the_same_answers(base: Path) -> None:
    first, second = Predictor.load(str(base)), Predictor.load(str(base))
    answers = first.answer(IMAGES, QUESTIONS, max_new_tokens=12)
    assert answers == second.answer(IMAGES, QUESTIONS, max_new_tokens=12)
    assert len(answers) == 3
    assert any(answers)


def test_an_answer_does_not_hang_on_what_else_is_in_the_batch(base: Path) -> None:
    predictor = Predictor.load(str(base))
    together = predictor.answer(IMAGES, QUESTIONS, max_new_tokens=12)
    assert together == predictor.answer(IMAGES, QUESTIONS, max_new_tokens=12, batch_size=1)


def test_an_adapter_changes_the_answers(base: Path, tmp_path: Path) -> None:
    plain = Predictor.load(str(base)).answer(IMAGES, QUESTIONS, max_new_tokens=12)
    adapter = _adapter(base, tmp_path / "adapter", seed=1)
    adapted = Predictor.load(str(base), adapter).answer(IMAGES, QUESTIONS, max_new_tokens=12)
    assert adapted != plain


def test_a_sampling_generation_file_does_not_make_answers_random(tiny_qwen2_5_vl: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_qwen2_5_vl, folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {
        "do_sample": True,
        "repetition_penalty": 50.0,
        "temperature": 5.0,
        "top_k": 3,
        "no_repeat_ngram_size": 1,
    }
    expected = Predictor.load(str(tiny_qwen2_5_vl)).answer(IMAGES, QUESTIONS, max_new_tokens=12)
    (folder / "generation_config.json").write_text(json.dumps(settings))
    assert Predictor.load(str(folder)).answer(IMAGES, QUESTIONS, max_new_tokens=12) == expected


def test_no_picture_no_answer(base: Path) -> None:
    assert Predictor.load(str(base)).answer([], [], max_new_tokens=3) == []


def test_bf16_answers_too(base: Path) -> None:
    assert len(Predictor.load(str(base), precision="bf16").answer(IMAGES, QUESTIONS, max_new_tokens=3)) == 3


@pytest.mark.parametrize("frame", [(640, 360), (360, 640)])
def test_boxes_come_back_in_frame_pixels(base: Path, frame: tuple[int, int]) -> None:
    predictor = Predictor.load(str(base))
    box = (100.0, 40.0, 180.0, 200.0)
    geometry = ImageGeometry(frame, predictor.family.resized(predictor.processor, frame))
    text = f"rocket {model_text(box, predictor.family.coordinates, geometry)}\nstar\n"
    ((label, back),) = predictor.boxes(text, frame)
    assert label == "rocket"
    # The tiny Qwen resizes to 84 pixels at most, so one unit is up to 8 frame pixels; LLaVA's is a hundredth.
    assert all(abs(a - b) <= 8 for a, b in zip(back, box, strict=True))


def test_a_missing_adapter_is_named(tiny_llava: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        Predictor.load(str(tiny_llava), tmp_path)
    assert caught.value.code == "adapter_missing"
