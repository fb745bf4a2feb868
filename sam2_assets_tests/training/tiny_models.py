"""Random models of a few hundred thousand parameters with the real architectures and tokenizers of their own.

``build_tiny_<family>(folder)`` writes what ``save_pretrained`` writes; the files look like those of published models
(picture processor with a centre crop, video token, chat template), so that code under test takes the same path as with
real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging

from sam2_assets.training.families.qwen_pictures_only import (
    Qwen2_5_VLProcessor,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
)

_CORPUS = [
    "USER: Where is the red square in the image? ASSISTANT: [0.10, 0.20, 0.30, 0.40]",
    "user assistant system You are a helpful assistant. Locate every object and give its box.",
    "Which objects are in this frame? rocket star planet blue car [120, 34, 560, 478]",
    "0123456789 [](){},.:;!?\"'\n",
] * 4
_LLAVA_TOKENS = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
_QWEN_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %} "
    "{% else %}ASSISTANT:{% for part in message['content'] %} {{ part['text'] }}{% endfor %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
_QWEN_SYSTEM = (
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}" + _QWEN_SYSTEM + "<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny_llava(folder: Path) -> Path:
    """A LLaVA of 3 vision and 2 language layers, 56 x 56 pictures, 16 picture tokens, in ``folder``."""
    tokenizer = _tokenizer(_LLAVA_TOKENS, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    _begin_with_bos(tokenizer)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=56,
            patch_size=14,
            projection_dim=32,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            max_position_embeddings=512,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )
    processor = LlavaProcessor(
        # As the published files: no padding, and a centre crop that would cut objects at the sides.
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    return _save(folder, LlavaForConditionalGeneration, config, processor)


def build_tiny_qwen2_vl(folder: Path) -> Path:
    """A Qwen2-VL of 2 vision and 2 language layers, at most 9 picture tokens, in ``folder``."""
    vision = {"depth": 2, "embed_dim": 64, "hidden_size": 64, "num_heads": 4, "mlp_ratio": 2, "patch_size": 14}
    return _build_qwen(folder, Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor, QWEN_TEMPLATE, vision)


def build_tiny_qwen2_5_vl(folder: Path) -> Path:
    """A Qwen2.5-VL of 2 vision and 2 language layers, at most 9 picture tokens, in ``folder``."""
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "out_hidden_size": 64,
        "num_heads": 4,
        "intermediate_size": 128,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    return _build_qwen(
        folder, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor, QWEN_TEMPLATE, vision
    )


def build_tiny_qwen3_vl(folder: Path) -> Path:
    """A Qwen3-VL of 3 vision and 2 language layers, two of them deepstack, at most 9 picture tokens, in ``folder``."""
    vision = {
        "depth": 3,
        "hidden_size": 64,
        "out_hidden_size": 64,
        "num_heads": 4,
        "intermediate_size": 128,
        "patch_size": 16,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    # As the published template: no system message.
    template = QWEN_TEMPLATE.replace(_QWEN_SYSTEM, "")
    assert template != QWEN_TEMPLATE
    rope = {"mrope_section": [4, 2, 2], "mrope_interleaved": True}
    return _build_qwen(
        folder, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor, template, vision, rope, head_dim=16
    )


def build_tiny_instructblip(folder: Path) -> Path:
    """An InstructBLIP of 2 vision, 2 Q-Former and 2 language layers, 16 queries, 56 x 56 pictures, in ``folder``."""
    tokenizer = _tokenizer(_LLAVA_TOKENS, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    _begin_with_bos(tokenizer)
    reader = _tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]"], pad_token="[PAD]", unk_token="[UNK]")
    config = InstructBlipConfig(
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 56,
            "patch_size": 14,
        },
        qformer_config={
            "vocab_size": len(reader),
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "encoder_hidden_size": 64,
            "cross_attention_frequency": 2,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "max_position_embeddings": 512,
        },
        num_query_tokens=16,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    pictures = BlipImageProcessorPil(size={"height": 56, "width": 56})
    processor = InstructBlipProcessor(pictures, tokenizer, reader, num_query_tokens=16)
    return _save(folder, InstructBlipForConditionalGeneration, config, processor)


def _build_qwen(
    folder: Path,
    configuration: Any,
    architecture: Any,
    processor: Any,
    template: str,
    vision: dict[str, Any],
    rope: dict[str, Any] | None = None,
    **text: Any,
) -> Path:
    tokenizer = _tokenizer(_QWEN_TOKENS, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    config = configuration(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                **(rope or {"mrope_section": [2, 3, 3]}),
            },
            **text,
        },
        vision_config={"spatial_merge_size": 2, "temporal_patch_size": 2, **vision},
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    patch = vision["patch_size"]
    pictures = Qwen2VLImageProcessorPil(
        patch_size=patch,
        temporal_patch_size=2,
        merge_size=2,
        min_pixels=(2 * patch) ** 2,
        max_pixels=9 * (2 * patch) ** 2,
    )
    saved = processor(image_processor=pictures, tokenizer=tokenizer, chat_template=template)
    return _save(folder, architecture, config, saved)


def _tokenizer(special_tokens: list[str], **named: str) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special_tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def _begin_with_bos(tokenizer: PreTrainedTokenizerFast) -> None:
    # Llama's tokenizer begins every text with <s>; code that counts prompt tokens must cope with it.
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )


# InstructBLIP starts these at zero, or a hair from it: a random Q-Former would not know where anything is.
_AS_EMBEDDINGS = ("query_tokens", "embeddings.class_embedding", "embeddings.position_embedding")


def _deviation(name: str, weight: torch.Tensor) -> float | None:
    """How a weight is drawn; None leaves it. transformers' 0.02 at width 64 caps logits near 1.3: adapters could not
    learn anything.
    """
    if "embed_tokens" in name or name.endswith(_AS_EMBEDDINGS):
        return 1.0
    if "patch_embedding" in name and weight.dim() == 4 and "vision_model" in name and "tower" not in name:
        return float(weight[0].numel()) ** -0.5
    if weight.dim() != 2:
        return None
    return 0.4 if "lm_head" in name else float(weight.shape[1]) ** -0.5


def _save(folder: Path, architecture: Any, config: Any, processor: Any) -> Path:
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = architecture(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            deviation = _deviation(name, weight)
            if deviation is not None:
                weight.normal_(0.0, deviation, generator=generator)
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
