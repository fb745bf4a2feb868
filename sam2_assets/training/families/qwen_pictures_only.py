"""The processors of Qwen's families for pictures alone; imports transformers, so only child processes load this module.

The library's classes insist on a video processor, which exists for torchvision only; we never feed them videos.
"""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLProcessor as _Qwen25WithVideos
from transformers import Qwen2VLProcessor as _Qwen2WithVideos
from transformers import Qwen3VLProcessor as _Qwen3WithVideos
from transformers.processing_utils import ProcessorMixin

_TOKENS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}


class _PicturesOnly:
    """A library's processor minus videos; it saves files that the library's own class can read."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        for name, token in _TOKENS.items():
            setattr(self, name, token)
            setattr(self, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


# Saved files name the library's classes.


class Qwen2VLProcessor(_PicturesOnly, _Qwen2WithVideos):
    """Qwen2-VL's."""


class Qwen2_5_VLProcessor(_PicturesOnly, _Qwen25WithVideos):  # noqa: N801
    """Qwen2.5-VL's."""


class Qwen3VLProcessor(_PicturesOnly, _Qwen3WithVideos):
    """Qwen3-VL's."""
