"""Boxes between frame pixels and the coordinates each model family was pretrained on, and back.

This is the only place where that happens. Frame boxes are ``(x, y, w, h)`` floats in frame pixels, origin top left;
model boxes are ``(x0, y0, x1, y1)`` in the convention's units. Sources of the conventions: LLaVA-1.5 pads the frame
to a centred square and counts 0..1 in it (``expand2square`` of the LLaVA repository); Qwen2-VL and Qwen3-VL count
0..1000 along each side of the frame; Qwen2.5-VL counts pixels of the image as its processor resized it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Convention(StrEnum):
    """What the numbers of a model box mean."""

    PADDED_UNIT_SQUARE = "padded_unit_square"
    """0..1 in the frame padded to a centred square (LLaVA-1.5)."""
    THOUSANDTHS = "thousandths"
    """0..1000 along each side of the frame (Qwen2-VL, Qwen3-VL)."""
    RESIZED_PIXELS = "resized_pixels"
    """Pixels of the image as the processor resized it (Qwen2.5-VL)."""


@dataclass(frozen=True)
class ImageGeometry:
    """Sizes that a conversion needs.

    Args:
        frame: ``(width, height)`` of the frame, pixels.
        resized: ``(width, height)`` of the image as the model's processor resizes this frame, pixels; only
            ``RESIZED_PIXELS`` looks at it.
    """

    frame: tuple[int, int]
    resized: tuple[int, int] | None = None


def _scale_and_offset(convention: Convention, geometry: ImageGeometry) -> tuple[float, float, float, float]:
    """``(sx, sy, ox, oy)`` such that model = (frame + offset) * scale."""
    width, height = geometry.frame
    if convention is Convention.PADDED_UNIT_SQUARE:
        side = max(width, height)
        return 1 / side, 1 / side, (side - width) / 2, (side - height) / 2
    if convention is Convention.THOUSANDTHS:
        return 1000 / width, 1000 / height, 0.0, 0.0
    if geometry.resized is None:
        raise ValueError("RESIZED_PIXELS needs the size the processor resizes this frame to")
    return geometry.resized[0] / width, geometry.resized[1] / height, 0.0, 0.0


def to_model(box: Box, convention: Convention, geometry: ImageGeometry) -> Box:
    """Frame ``(x, y, w, h)`` to model ``(x0, y0, x1, y1)``, not rounded."""
    sx, sy, ox, oy = _scale_and_offset(convention, geometry)
    x, y, w, h = box
    return (x + ox) * sx, (y + oy) * sy, (x + w + ox) * sx, (y + h + oy) * sy


def from_model(box: Box, convention: Convention, geometry: ImageGeometry) -> Box:
    """Model ``(x0, y0, x1, y1)`` back to frame ``(x, y, w, h)``; corners in any order, clipped to the frame."""
    sx, sy, ox, oy = _scale_and_offset(convention, geometry)
    width, height = geometry.frame
    x0, x1 = sorted(min(max(v / sx - ox, 0.0), float(width)) for v in (box[0], box[2]))
    y0, y1 = sorted(min(max(v / sy - oy, 0.0), float(height)) for v in (box[1], box[3]))
    return x0, y0, x1 - x0, y1 - y0


def model_text(box: Box, convention: Convention, geometry: ImageGeometry) -> str:
    """A frame box as the text a model reads and writes: ``[0.12, 0.34, 0.56, 0.78]`` or ``[12, 34, 56, 78]``."""
    return _written(to_model(box, convention, geometry), convention)


def qwen_picture_size(
    frame: tuple[int, int], *, factor: int = 28, least_pixels: int = 3136, most_pixels: int = 12_845_056
) -> tuple[int, int]:
    """``(width, height)`` that the pictures of Qwen-VL are resized to; the defaults are Qwen2.5-VL's.

    Both sides become multiples of ``factor`` and the area stays between the limits, with the aspect nearly kept
    (``smart_resize`` of the Qwen-VL repositories).
    """
    width, height = frame
    sides = round(width / factor) * factor, round(height / factor) * factor
    if sides[0] * sides[1] > most_pixels:
        shrink = math.sqrt(width * height / most_pixels)
        sides = math.floor(width / shrink / factor) * factor, math.floor(height / shrink / factor) * factor
        return max(sides[0], factor), max(sides[1], factor)
    if sides[0] * sides[1] < least_pixels:
        grow = math.sqrt(least_pixels / (width * height))
        return math.ceil(width * grow / factor) * factor, math.ceil(height * grow / factor) * factor
    return sides


def polygon_text(polygon: Sequence[Point], convention: Convention, geometry: ImageGeometry) -> str:
    """Corners ``(x, y)`` in frame pixels as the text a model reads and writes: ``[x0, y0, x1, y1, x2, y2]``."""
    return _written(_polygon_to_model(polygon, convention, geometry), convention)


def polygon_numbers(polygon: Sequence[Point], convention: Convention, geometry: ImageGeometry) -> list[float]:
    """The numbers of :func:`polygon_text`, rounded as it rounds them."""
    return _rounded(_polygon_to_model(polygon, convention, geometry), convention)


def model_numbers(box: Box, convention: Convention, geometry: ImageGeometry) -> list[float]:
    """The four numbers of :func:`model_text`, rounded as it rounds them."""
    return _rounded(to_model(box, convention, geometry), convention)


def _polygon_to_model(polygon: Sequence[Point], convention: Convention, geometry: ImageGeometry) -> list[float]:
    sx, sy, ox, oy = _scale_and_offset(convention, geometry)
    return [v for x, y in polygon for v in ((x + ox) * sx, (y + oy) * sy)]


def _rounded(values: Sequence[float], convention: Convention) -> list[float]:
    digits = 2 if convention is Convention.PADDED_UNIT_SQUARE else None
    return [round(v, digits) for v in values]


def _written(values: Sequence[float], convention: Convention) -> str:
    if convention is Convention.PADDED_UNIT_SQUARE:
        return "[" + ", ".join(f"{v:.2f}" for v in values) + "]"
    return "[" + ", ".join(str(round(v)) for v in values) + "]"


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two ``(x, y, w, h)`` boxes; 0 if both are empty."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    intersection = max(width, 0.0) * max(height, 0.0)
    union = a[2] * a[3] + b[2] * b[3] - intersection
    return intersection / union if union > 0 else 0.0


def ious(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``iou`` of every row of ``a`` with the same row of ``b``: both ``(n, 4)``, finite; the same to the last bit."""
    sides = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    sides = np.maximum(sides, 0.0)
    intersection = sides[:, 0] * sides[:, 1]
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - intersection
    overlaps: NDArray[np.float64] = np.divide(intersection, union, out=np.zeros(len(a)), where=union > 0)
    return overlaps
