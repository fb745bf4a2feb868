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
from sam2_assets.training.targets import adaptable_layers

# The demo's base model takes 20 s to build: all tests that ask it run where it is built.
pytestmark = pytest.mark.xdist_group("demo_base")
SHAPES = [(640, 360), (360, 640), (1280, 720), (300, 300), (199, 77)]
TINY = ["tiny_llava", "tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl", "tiny_instructblip"]
MODELS = [*TINY, "demo_base"]
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
CHATML = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Q?<|im_end|>\n<|im_start|>assistant\n"
ANSWER = "rocket [0.12, 0.34, 0.56, 0.78]\nblue car [0.00, 0.10, 0.20, 0.30]"


@pytest.fixture(params=MODELS)
def base(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_a_base_model_is_recognised_from_its_configuration(request: pytest.FixtureRequest) -> None:
    names = [family_of(str(request.getfixturevalue(model))).name for model in MODELS]
    assert names == ["llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "instructblip", "demo_assembly"] == list(FAMILIES)
    assert all(family_by_name(name).name == name for name in names)


def test_the_layers_that_adapters_can_lie_on_are_known_without_the_model(base: Path) -> None:
    family = family_of(str(base))
    model = family.load_model(str(base), dtype=torch.bfloat16)
    adaptable = (torch.nn.Linear, torch.nn.Embedding)
    found = [name for name, m in model.named_modules() if isinstance(m, adaptable) and "language_model" in name]
    assert sorted(adaptable_layers(family, family.shape(read_config(str(base))))) == sorted(found)


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
        assert inputs["image_grid_thw"][0].tolist() == [1, resized[1] // 14, resized[0] // 14]
    else:
        assert resized is None
    stated = family.shape(config, {shape: 1}, family.picture_settings(str(base)))
    expected = stated.image_tokens
    assert stated.mean_image_tokens == expected
    if "image_grid_thw" in inputs:
        patches = int(inputs["image_grid_thw"][0].prod())
        assert (patches // 4, patches) == (expected, stated.mean_vision_tokens)
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


# InstructBLIP has no template: its processor puts the picture's tokens before whatever text it is given.
@pytest.mark.parametrize("model", [model for model in MODELS if model != "tiny_instructblip"])
def test_prompt_and_completion_are_what_the_models_own_chat_template_writes(
    model: str, request: pytest.FixtureRequest
) -> None:
    base: Path = request.getfixturevalue(model)
    family = family_of(str(base))
    processor = family.load_processor(str(base))
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where is the rocket?"}]}
    reply = {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}
    prompt = family.prompt(processor, "Where is the rocket?")
    assert prompt == processor.apply_chat_template([turn], add_generation_prompt=True)
    trained_on = prompt + family.completion(processor, ANSWER)
    # ChatML has a line break after the end token, where nobody reads any more.
    assert trained_on == processor.apply_chat_template([turn, reply]).removesuffix("\n")


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("tiny_llava", "USER: <image>\nQ? ASSISTANT:"),
        ("tiny_qwen2_vl", f"{SYSTEM}{CHATML}"),
        ("tiny_qwen2_5_vl", f"{SYSTEM}{CHATML}"),
        ("tiny_qwen3_vl", CHATML),
        ("tiny_instructblip", "Question: Q? Answer:"),
        ("demo_base", "<|im_start|>user\n<image>\nQ?<|im_end|>\n<|im_start|>assistant\n"),
    ],
)
def test_prompts_are_those_the_models_know(model: str, prompt: str, request: pytest.FixtureRequest) -> None:
    folder = str(request.getfixturevalue(model))
    family = family_of(folder)
    assert family.prompt(family.load_processor(folder), "Q?") == prompt


def test_instructblips_qformer_reads_the_question_and_never_the_answer(tiny_instructblip: Path) -> None:
    family = family_of(str(tiny_instructblip))
    processor = family.load_processor(str(tiny_instructblip))
    prompt = family.prompt(processor, "Where is the rocket?")
    pictures = [Image.new("RGB", (64, 64))] * 2
    texts = [prompt + family.completion(processor, answer) for answer in (ANSWER, "crate")]
    read = family.encode(processor, pictures, texts, padding_side="right")["qformer_input_ids"]
    assert [processor.qformer_tokenizer.decode(ids) for ids in read] == [prompt, prompt]


def test_instructblip_with_another_language_model_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        FAMILIES["instructblip"].shape({"model_type": "instructblip", "text_config": {"model_type": "t5"}})
    assert (caught.value.code, caught.value.field) == ("unsupported_language_model", "text_config.model_type")


@pytest.mark.parametrize(("model", "per_layer", "layers"), [*((model, 7, 2) for model in TINY), ("demo_base", 4, 30)])
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
    sees = ("vision_tower.", "visual.", "vision_model.", "qformer.", "query_tokens")
    vision = sum(weight.numel() for name, weight in model.named_parameters() if any(part in name for part in sees))
    projector = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if any(f".{module}." in f".{name}" for module in family.projector_modules)
    )
    assert shape.projector_parameters == projector
    inside = projector if "visual.merger" in family.projector_modules else 0
    assert shape.vision_parameters == vision - inside
    total = sum(weight.numel() for weight in model.parameters())
    assert shape.language_parameters == total - shape.vision_parameters - shape.projector_parameters
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not model.training


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_picture_tokens_follow_frames_and_the_processor_s_limits(name: str) -> None:
    family = FAMILIES[name]
    cell = 32 if name == "qwen3_vl" else 28
    large, small = (round(1920 / cell) * round(1080 / cell), round(640 / cell) * round(360 / cell))
    mixed = family.shape({}, {(1920, 1080): 1, (640, 360): 3})
    assert mixed.image_tokens == large
    assert mixed.mean_image_tokens == (large + 3 * small) / 4
    assert mixed.mean_vision_tokens == 4 * mixed.mean_image_tokens
    for settings in ({"max_pixels": 200_704}, {"size": {"shortest_edge": 3136, "longest_edge": 200_704}}):
        limited = family.shape({}, {(1920, 1080): 1}, settings)
        assert 0.8 * 200_704 < limited.image_tokens * cell**2 <= 200_704


@pytest.mark.parametrize("name", ["llava", "instructblip"])
def test_picture_tokens_are_the_same_for_every_frame(name: str) -> None:
    family = FAMILIES[name]
    assert family.shape({}, {(1920, 1080): 1, (64, 36): 3}) == family.shape({})


def test_llava_of_the_hub_has_576_picture_tokens() -> None:
    # The published config.json of llava-1.5-7b leaves most numbers to transformers' defaults.
    assert FAMILIES["llava"].shape({"model_type": "llava", "vision_config": {"hidden_size": 1024}}).image_tokens == 576


# As the hub counts them.
PARAMETERS = {
    "llava-hf/llava-1.5-7b-hf": 7_063_427_072,
    "Qwen/Qwen2-VL-2B-Instruct": 2_208_985_600,
    "Qwen/Qwen2-VL-7B-Instruct": 8_291_375_616,
    "Qwen/Qwen2.5-VL-3B-Instruct": 3_754_622_976,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen3-VL-2B-Instruct": 2_127_532_032,
    "Qwen/Qwen3-VL-4B-Instruct": 4_437_815_808,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
}


def test_published_sizes() -> None:
    counted = {}
    for family in FAMILIES.values():
        for published in family.published:
            shape = family.shape(published.config)
            counted[published.name] = shape.language_parameters + shape.vision_parameters + shape.projector_parameters
    assert {name: counted[name] for name in PARAMETERS} == PARAMETERS


@pytest.mark.parametrize("token", ["<image>", "</s>"])
def test_control_tokens_in_a_question_are_refused(tiny_llava: Path, token: str) -> None:
    family = family_of(str(tiny_llava))
    with pytest.raises(TrainingError) as caught:
        family.prompt(family.load_processor(str(tiny_llava)), f"Where {token}?")
    assert caught.value.code == "question_has_control_token"


@pytest.mark.parametrize("model", ["tiny_qwen2_vl", "tiny_qwen2_5_vl", "tiny_qwen3_vl"])
def test_a_frame_too_narrow_for_qwen_is_named(model: str, request: pytest.FixtureRequest) -> None:
    folder = str(request.getfixturevalue(model))
    family = family_of(folder)
    with pytest.raises(TrainingError) as caught:
        family.resized(family.load_processor(folder), (3000, 10))
    assert caught.value.code == "frame_too_narrow"
