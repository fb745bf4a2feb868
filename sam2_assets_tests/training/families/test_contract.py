"""What every family promises: prompts, pictures, coordinates and adapters, on models with the real architectures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image, ImageDraw

from sam2_assets.coordinates import Convention, ImageGeometry, to_model
from sam2_assets.errors import TrainingError
from sam2_assets.training.families import FAMILIES, family_by_name, family_of, read_config

SHAPES = [(640, 360), (360, 640), (1280, 720), (300, 300), (199, 77)]
MODELS = ["tiny_llava", "tiny_qwen2_5_vl", "demo_base"]
ANSWER = "rocket [0.12, 0.34, 0.56, 0.78]\nblue car [0.00, 0.10, 0.20, 0.30]"


@pytest.fixture(params=MODELS)
def base(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_a_base_model_is_recognised_from_its_configuration(
    tiny_llava: Path, tiny_qwen2_5_vl: Path, demo_base: Path
) -> None:
    names = [family_of(str(folder)).name for folder in (tiny_llava, tiny_qwen2_5_vl, demo_base)]
    assert names == ["llava", "qwen2_5_vl", "demo_assembly"] == list(FAMILIES)
    assert all(family_by_name(name).name == name for name in names)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prompt_is_a_prefix_of_what_is_trained_on_and_the_rest_is_answer_and_end(
    base: Path, shape: tuple[int, int]
) -> None:
    family = family_of(str(base))
    processor = family.load_processor(str(base))
    image = Image.new("RGB", shape, "navy")
    prompt = family.prompt(processor, " Which objects are in this frame? ")
    alone = family.encode(processor, [image], [prompt], padding_side="left")["input_ids"][0]
    both = family.encode(processor, [image], [prompt + family.completion(processor, ANSWER)], padding_side="right")[
        "input_ids"
    ][0]
    assert both[: len(alone)].tolist() == alone.tolist()
    supervised = processor.tokenizer.decode(both[len(alone) :])
    assert supervised.removeprefix(" ") == ANSWER + family.end_of_answer(processor)


@pytest.mark.parametrize("shape", SHAPES)
def test_there_are_as_many_picture_tokens_as_features(base: Path, shape: tuple[int, int]) -> None:
    family = family_of(str(base))
    processor = family.load_processor(str(base))
    config = read_config(str(base))
    inputs = family.encode(
        processor, [Image.new("RGB", shape)], [family.prompt(processor, "Where?")], padding_side="left"
    )
    resized = family.resized(processor, shape)
    if family.coordinates is Convention.RESIZED_PIXELS:
        assert resized is not None
        expected = (resized[0] // 28) * (resized[1] // 28)
        assert inputs["image_grid_thw"][0].tolist() == [1, resized[1] // 14, resized[0] // 14]
    else:
        assert resized is None
        expected = family.shape(config).image_tokens
    image_token = int(config.get("image_token_id", config.get("image_token_index", -1)))
    assert int((inputs["input_ids"] == image_token).sum()) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_at_the_side_of_the_frame_is_seen_where_the_coordinates_say(
    tiny_llava: Path, shape: tuple[int, int]
) -> None:
    family = family_of(str(tiny_llava))
    processor = family.load_processor(str(tiny_llava))
    width, height = shape
    box = (0.0, 0.0, width * 0.4, height * 0.5)
    image = Image.new("RGB", shape, "black")
    ImageDraw.Draw(image).rectangle((0, 0, box[2] - 1, box[3] - 1), fill=(255, 0, 0))
    pixels = family.encode(processor, [image], [family.prompt(processor, "Where?")], padding_side="left")
    red, green = pixels["pixel_values"][0, 0], pixels["pixel_values"][0, 1]
    rows, columns = torch.where((red > 1.0) & (green < -0.5))
    side = red.shape[0]
    seen = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
    expected = [value * side for value in to_model(box, family.coordinates, ImageGeometry(shape))]
    assert all(abs(a - b) <= 1.5 for a, b in zip(seen, expected, strict=True)), (seen, expected)


def test_prompt_and_completion_are_what_the_models_own_chat_template_writes(base: Path) -> None:
    family = family_of(str(base))
    processor = family.load_processor(str(base))
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where is the rocket?"}]}
    reply = {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}
    prompt = family.prompt(processor, "Where is the rocket?")
    assert prompt == processor.apply_chat_template([turn], add_generation_prompt=True)
    trained_on = prompt + family.completion(processor, ANSWER)
    # ChatML has a line break after the end token, where nobody reads any more.
    assert trained_on == processor.apply_chat_template([turn, reply]).removesuffix("\n")


def test_llava_prompts_are_those_of_llava(tiny_llava: Path, tiny_qwen2_5_vl: Path, demo_base: Path) -> None:
    prompts = []
    for folder in (tiny_llava, tiny_qwen2_5_vl, demo_base):
        family = family_of(str(folder))
        prompts.append(family.prompt(family.load_processor(str(folder)), "Q?"))
    assert prompts == [
        "USER: <image>\nQ? ASSISTANT:",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Q?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\n<image>\nQ?<|im_end|>\n<|im_start|>assistant\n",
    ]


@pytest.mark.parametrize(
    ("model", "per_layer", "layers"), [("tiny_llava", 7, 2), ("tiny_qwen2_5_vl", 7, 2), ("demo_base", 4, 30)]
)
def test_adapters_sit_on_the_language_model_only(
    model: str, per_layer: int, layers: int, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(model))
    family = family_of(folder)
    base_model = family.load_model(folder, dtype=torch.float32)
    linears = {name: module for name, module in base_model.named_modules() if isinstance(module, torch.nn.Linear)}
    adapted = {name for name in linears if re.fullmatch(family.lora_targets, name)}
    assert len(adapted) == per_layer * layers
    assert all("language_model" in name for name in adapted)
    assert not any("vision" in name or "visual" in name for name in adapted)
    sizes = [(linears[name].in_features, linears[name].out_features) for name in sorted(adapted) if ".0." in name]
    assert sorted(sizes) == sorted(family.shape(read_config(folder)).adapted_weights)

    adapter = LoraConfig(r=2, target_modules=family.lora_targets, modules_to_save=list(family.projector_modules))
    model_with_adapter = get_peft_model(base_model, adapter)
    trainable = {name for name, weight in model_with_adapter.named_parameters() if weight.requires_grad}
    assert sum("lora_A" in name for name in trainable) == len(adapted)
    others = {name for name in trainable if "lora_" not in name}
    assert others
    assert all(any(module in name for module in family.projector_modules) for name in others)


def test_stated_sizes_equal_the_loaded_model(base: Path) -> None:
    family = family_of(str(base))
    shape = family.shape(read_config(str(base)))
    model = family.load_model(str(base), dtype=torch.float32)
    vision = model.model.vision_tower if hasattr(model.model, "vision_tower") else model.model.visual
    projector = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if any(f".{module}." in name for module in family.projector_modules)
    )
    assert shape.projector_parameters == projector
    inside = projector if family.name == "qwen2_5_vl" else 0
    assert shape.vision_parameters == sum(weight.numel() for weight in vision.parameters()) - inside
    total = sum(weight.numel() for weight in model.parameters())
    assert shape.language_parameters == total - shape.vision_parameters - shape.projector_parameters
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not model.training


def test_published_sizes_of_llava_and_qwen() -> None:
    # The published config.json of llava-1.5-7b leaves most numbers to transformers' defaults.
    llava = FAMILIES["llava"].shape(
        {
            "model_type": "llava",
            "text_config": {"model_type": "llama", "vocab_size": 32064},
            "vision_config": {"hidden_size": 1024, "image_size": 336, "patch_size": 14, "num_hidden_layers": 24},
        }
    )
    total = llava.language_parameters + llava.vision_parameters + llava.projector_parameters
    # As the hub counts llava-hf/llava-1.5-7b-hf.
    assert total == 7_063_427_072
    assert llava.image_tokens == 576
    qwen = FAMILIES["qwen2_5_vl"].shape(
        {"hidden_size": 3584, "num_key_value_heads": 4, "vision_config": {"hidden_size": 1280, "depth": 32}}
    )
    # As the hub counts Qwen/Qwen2.5-VL-7B-Instruct.
    assert qwen.language_parameters + qwen.vision_parameters + qwen.projector_parameters == 8_292_166_656


@pytest.mark.parametrize("token", ["<image>", "</s>"])
def test_control_tokens_in_a_question_are_refused(tiny_llava: Path, token: str) -> None:
    family = family_of(str(tiny_llava))
    with pytest.raises(TrainingError) as caught:
        family.prompt(family.load_processor(str(tiny_llava)), f"Where {token}?")
    assert caught.value.code == "question_has_control_token"


def test_a_frame_too_narrow_for_qwen_is_named(tiny_qwen2_5_vl: Path) -> None:
    family = family_of(str(tiny_qwen2_5_vl))
    with pytest.raises(TrainingError) as caught:
        family.resized(family.load_processor(str(tiny_qwen2_5_vl)), (3000, 10))
    assert caught.value.code == "frame_too_narrow"
