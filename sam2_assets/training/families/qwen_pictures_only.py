"""Qwen2.5-VL's processor for pictures alone; imports transformers, so only child processes load this module.

The library's class insists on a video processor, which exists for torchvision only; we never feed it videos.
"""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLProcessor as _WithVideos
from transformers.processing_utils import ProcessorMixin


class Qwen2_5_VLProcessor(_WithVideos):  # noqa: N801 - saved files name the library's class
    """The library's processor minus videos; it saves files that the library's own class can read."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)
