"""Small samples with real pictures, and a model whose answers are written down."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from PIL import Image

from sam2_assets.coordinates import Box
from sam2_assets.instructions.sample import Sample, SampleObject, box_marker
from sam2_assets.training.answers import parse_answer


def png(colour: tuple[int, int, int] = (10, 20, 30), size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


def sample(
    video: str = "v1",
    frame: int = 0,
    task: str = "main_object",
    objects: Sequence[tuple[str, Box]] = (("cat", (8.0, 8.0, 16.0, 16.0)),),
    *,
    block: str | None = None,
    answer: str | None = None,
    size: tuple[int, int] = (64, 48),
    picture: bytes | None = None,
) -> Sample:
    rows = tuple(SampleObject(index, label, box) for index, (label, box) in enumerate(objects))
    named = rows[:1] if task == "main_object" else rows
    written = "\n".join(f"{o.label} {box_marker(o.object_id)}" for o in named)
    return Sample(
        sample_id=f"{video}/{frame}/{task}",
        video_id=video,
        frame_index=frame,
        block=f"{video}:{frame // 4}" if block is None else block,
        task=task,
        question="What is it?",
        answer=written if answer is None else answer,
        objects=rows,
        width=size[0],
        height=size[1],
        image_bytes=png(size=size) if picture is None else picture,
    )


class Scripted:
    """Answers by a function of picture and question; an answer reads ``label [x, y, w, h]`` a line, in frame pixels."""

    def __init__(self, reply: Callable[[Image.Image, str], str]) -> None:
        self.reply = reply

    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], *, max_new_tokens: int, batch_size: int = 8
    ) -> list[str]:
        return [self.reply(image, question) for image, question in zip(images, questions, strict=True)]

    def boxes(self, text: str, frame_size: tuple[int, int]) -> list[tuple[str, Box]]:
        return [(found.label, found.numbers) for found in parse_answer(text) if found.numbers is not None]
