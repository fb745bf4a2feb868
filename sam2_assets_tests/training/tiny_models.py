"""Random models of a few hundred thousand parameters with the real architectures and tokenizers of their own.

``build_tiny_llava(folder)`` and ``build_tiny_qwen2_5_vl(folder)`` write what ``save_pretrained`` writes; the files look
like those of the published models (picture processor with a centre crop, video token, chat template), so that code
under test takes the same path as with real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.utils import logging

from sam2_assets.training.families.qwen_pictures_only import Qwen2_5_VLProcessor

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
QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
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


def build_tiny_qwen2_5_vl(folder: Path) -> Path:
    """A Qwen2.5-VL of 2 vision and 2 language layers, at most 9 picture tokens, in ``folder``."""
    tokenizer = _tokenizer(_QWEN_TOKENS, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    config = Qwen2_5_VLConfig(
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
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "out_hidden_size": 64,
            "num_heads": 4,
            "intermediate_size": 128,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    pictures = Qwen2VLImageProcessorPil(
        patch_size=14, temporal_patch_size=2, merge_size=2, min_pixels=28**2, max_pixels=9 * 28**2
    )
    processor = Qwen2_5_VLProcessor(image_processor=pictures, tokenizer=tokenizer, chat_template=QWEN_TEMPLATE)
    return _save(folder, Qwen2_5_VLForConditionalGeneration, config, processor)


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


def _save(folder: Path, architecture: Any, config: Any, processor: Any) -> Path:
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = architecture(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # transformers' 0.02 at width 64 caps logits near 1.3: adapters could not learn anything.
            if weight.dim() == 2:
                deviation = 1.0 if "embed_tokens" in name else 0.4 if "lm_head" in name else weight.shape[1] ** -0.5
                weight.normal_(0.0, deviation, generator=generator)
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
