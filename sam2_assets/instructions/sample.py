"""One training sample, as every model family takes it: a frame, a question and an answer template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam2_assets.coordinates import Box, Convention, ImageGeometry, model_text

if TYPE_CHECKING:
    from PIL.Image import Image

_MARKER = re.compile(r"<\|box:(\d+)\|>")


def box_marker(index: int) -> str:
    """The text that stands for the box of the row's ``objects[index]`` in an answer template."""
    return f"<|box:{index}|>"


@dataclass(frozen=True)
class SampleObject:
    """An object of the sample's frame; ``box`` is ``(x, y, w, h)`` in frame pixels."""

    object_id: int
    label: str
    box: Box


@dataclass(frozen=True)
class Sample:
    """A frame with one question and its answer template (``<|box:k|>`` stands for ``objects[k].box``)."""

    sample_id: str
    video_id: str
    frame_index: int
    block: str
    task: str
    question: str
    answer: str
    objects: tuple[SampleObject, ...]
    width: int
    height: int
    image_bytes: bytes

    def image(self) -> Image:
        """The frame, decoded to RGB, ``width x height``."""
        import io

        from PIL import Image

        return Image.open(io.BytesIO(self.image_bytes)).convert("RGB")

    def answered_objects(self) -> list[SampleObject]:
        """The objects whose boxes the answer names, in the answer's order."""
        return [self.objects[int(match)] for match in _MARKER.findall(self.answer)]

    def render_answer(self, convention: Convention, resized: tuple[int, int] | None = None) -> str:
        """The answer with every box in a model's own coordinates."""
        geometry = ImageGeometry((self.width, self.height), resized)
        return _MARKER.sub(
            lambda match: model_text(self.objects[int(match.group(1))].box, convention, geometry), self.answer
        )
