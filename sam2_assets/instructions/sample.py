"""One training sample, as every model family takes it: a frame, a question and an answer template."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam2_assets.coordinates import Box, Convention, ImageGeometry, Point, model_text, polygon_text

if TYPE_CHECKING:
    from PIL.Image import Image

_MARKER = re.compile(r"<\|(box|polygon):([\d.,]+)\|>")


def box_marker(index: int) -> str:
    """The text that stands for the box of the row's ``objects[index]`` in a question or an answer template."""
    return f"<|box:{index}|>"


def place_marker(box: Box) -> str:
    """The text that stands for a box ``(x, y, w, h)``, frame pixels, that is of no object of this frame."""
    return f"<|box:{_listed(box)}|>"


def polygon_marker(polygon: Sequence[Point]) -> str:
    """The text that stands for a polygon: its corners in frame pixels, to a tenth of a pixel."""
    return f"<|polygon:{_listed(value for corner in polygon for value in corner)}|>"


def _listed(values: Iterable[float]) -> str:
    return ",".join(f"{value:.1f}" for value in values)


@dataclass(frozen=True)
class Marker:
    """A marker in a template: the index of an object, or a box or polygon of its own in frame pixels."""

    index: int | None = None
    box: Box | None = None
    polygon: tuple[Point, ...] | None = None


def markers(template: str) -> list[Marker]:
    """The markers of a template, in its order."""
    return [_read(match) for match in _MARKER.finditer(template)]


def replace_markers(template: str, write: Callable[[Marker], str]) -> str:
    """The template with every marker replaced by what ``write`` makes of it."""
    return _MARKER.sub(lambda match: write(_read(match)), template)


def _read(match: re.Match[str]) -> Marker:
    values = [float(value) for value in match[2].split(",")]
    if match[1] == "polygon":
        return Marker(polygon=tuple(zip(values[::2], values[1::2], strict=True)))
    if len(values) == 1:
        return Marker(index=int(match[2]))
    x, y, w, h = values
    return Marker(box=(x, y, w, h))


@dataclass(frozen=True)
class SampleObject:
    """An object of the sample's frame; ``box`` is ``(x, y, w, h)`` in frame pixels."""

    object_id: int
    label: str
    box: Box


@dataclass(frozen=True)
class Sample:
    """A frame with one question and its answer, both templates (``<|box:k|>`` stands for ``objects[k].box``).

    ``request`` is the question without how its answer is to be written, ``language`` the code of its language.
    """

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
    language: str = "en"
    request: str = ""

    def image(self) -> Image:
        """The frame, decoded to RGB, ``width x height``."""
        import io

        from PIL import Image

        return Image.open(io.BytesIO(self.image_bytes)).convert("RGB")

    def answered_objects(self) -> list[SampleObject]:
        """The objects whose boxes the answer names, in the answer's order."""
        return [self.objects[marker.index] for marker in markers(self.answer) if marker.index is not None]

    def box_of(self, marker: Marker) -> Box | None:
        """The box a marker stands for, frame pixels; None for a polygon."""
        return marker.box if marker.index is None else self.objects[marker.index].box

    def render_question(self, convention: Convention, resized: tuple[int, int] | None = None) -> str:
        """The question with every box in a model's own coordinates."""
        return self._render(self.question, convention, resized)

    def render_request(self, convention: Convention, resized: tuple[int, int] | None = None) -> str:
        """What the question asks, without how to write the answer, with every box in a model's own coordinates."""
        return self._render(self.request, convention, resized)

    def render_answer(self, convention: Convention, resized: tuple[int, int] | None = None) -> str:
        """The answer with every box and polygon in a model's own coordinates."""
        return self._render(self.answer, convention, resized)

    def _render(self, template: str, convention: Convention, resized: tuple[int, int] | None) -> str:
        geometry = ImageGeometry((self.width, self.height), resized)

        def written(marker: Marker) -> str:
            box = self.box_of(marker)
            if box is None:
                return polygon_text(marker.polygon or (), convention, geometry)
            return model_text(box, convention, geometry)

        return replace_markers(template, written)
