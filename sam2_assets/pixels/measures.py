"""What one picture is like: exposure, contrast, blur, false colours, its hash; decoded once, measured small.

Levels are luma (ITU-R 601, as Pillow's mode ``L``) divided by 255. Everything is computed from integers, so that the
same file gives the same numbers on every machine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from sam2_assets.pixels.perceptual import perceptual_hash

UNREADABLE: Final = "unreadable"
WORKING_SIDE: Final = 960
"""Pixels of the longer side, at most, at which levels and blur are measured."""
THUMBNAIL: Final = (128, 72)
"""Width and height of the copy by which successive pictures are compared."""
BLOCK: Final = 8
"""Side of a block of the thumbnail, pixels."""
_STUMBLED: Final = ("Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression")
_SHADOW, _HIGHLIGHT = 5, 250
_BLUR_TAPS = 9
_ROWS = 48
_LEAP = 200
_LEAP_ACROSS = 2
# Outlines and names that the exporter paints are pure: each channel is nothing, half or all.
_PURE = np.isin(np.arange(256), [0, 1, 2, 126, 127, 128, 129, 130, 253, 254, 255]).astype(np.uint8)
# what Pillow raises on damaged files
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)

Thumbnail = NDArray[np.int16]
"""Luma, 0 to 255, ``(72, 128)``."""


@dataclass(frozen=True)
class Measures:
    """The measures of one picture.

    Args:
        problem: ``unreadable`` if the file is damaged, cut short or not there (the numbers are then 0); or empty.
        width: of the file, pixels.
        height: of the file, pixels.
        brightness: mean level.
        contrast: standard deviation of the level.
        level_p01: level that 1 % of the pixels do not exceed.
        level_p99: level that 99 % of the pixels do not exceed.
        shadow_share: share of the pixels at 5/255 or below, where nothing can be told apart.
        highlight_share: share of the pixels at 250/255 or above.
        blur: 0 (sharp) to 1, of 8-bit luma at the working size: the share of the variation between neighbouring pixels
            that would remain after blurring again, in the worse direction (F. Crete et al., "The blur effect:
            perception and estimation with a new no-reference perceptual blur metric", SPIE 6492, 2007). Footage:
            0.2 to 0.5, with strong motion 0.6; Gaussian blur of 4 pixels at 854 x 480: 0.7 and more.
        wrapped_share: share of the places where one colour channel leaps from nearly 0 to nearly 255 or back within
            two pixels and another does not, painted pure colours apart. Numbers below 0 or above 255 that were cut to
            8 bits look like this; footage does not.
        phash: ``perceptual.perceptual_hash`` of the thumbnail.
    """

    problem: str = ""
    width: int = 0
    height: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    level_p01: float = 0.0
    level_p99: float = 0.0
    shadow_share: float = 0.0
    highlight_share: float = 0.0
    blur: float = 0.0
    wrapped_share: float = 0.0
    phash: str = "0" * 16


def measure_picture(path: Path) -> tuple[Measures, Thumbnail | None]:
    """Decode a PNG or JPEG once and measure it; the thumbnail is None if it cannot be decoded."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.format == "JPEG" and _stumbles(path.read_bytes()):
                return Measures(problem=UNREADABLE), None
            width, height = opened.size
            factor = -(-max(width, height) // WORKING_SIDE)
            # A JPEG is decoded at a half, a quarter or an eighth for a fraction of the time; nothing else can be.
            opened.draft("RGB", (-(-width // factor), -(-height // factor)))
            opened.load()
            colours = opened if opened.mode == "RGB" else opened.convert("RGB")
    except _DAMAGED:
        return Measures(problem=UNREADABLE), None
    luma = colours.convert("L")
    small = luma.reduce(max(1, -(-max(luma.size) // WORKING_SIDE)))
    levels = np.asarray(small)
    counts = np.array(small.histogram(), np.int64)
    mean, deviation, p01, p99 = _statistics(counts)
    thumbnail = small.resize(THUMBNAIL, Image.Resampling.BOX)
    measured = Measures(
        width=width,
        height=height,
        brightness=mean,
        contrast=deviation,
        level_p01=p01,
        level_p99=p99,
        shadow_share=float(counts[: _SHADOW + 1].sum() / levels.size),
        highlight_share=float(counts[_HIGHLIGHT:].sum() / levels.size),
        blur=max(_blur(levels, axis) for axis in (0, 1)),
        wrapped_share=_leaps(colours),
        phash=perceptual_hash(thumbnail),
    )
    return measured, np.asarray(thumbnail, np.int16)


def _stumbles(jpeg: bytes) -> bool:
    """Whether libjpeg meets something in a JPEG that cannot be: Pillow and OpenCV paint over it and say nothing.

    Codes carry no checksum: a few bytes changed in the middle may be other codes that are just as good.
    """
    try:
        simplejpeg.decode_jpeg(jpeg, "GRAY", strict=True)
    except ValueError as error:
        # what it cannot decode, or merely does not know, is for Pillow to judge
        return any(words in str(error) for words in _STUMBLED)
    return False


def change_between(before: Thumbnail, after: Thumbnail) -> tuple[float, float]:
    """How far two pictures differ, in levels: on average, and in the block of the thumbnail that differs most."""
    blocks = np.abs(after - before).reshape(THUMBNAIL[1] // BLOCK, BLOCK, THUMBNAIL[0] // BLOCK, BLOCK)
    means = blocks.sum(axis=(1, 3)) / (255 * BLOCK * BLOCK)
    return float(means.mean()), float(means.max())


def _statistics(counts: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Mean, standard deviation, 1st and 99th percentile of the levels of a histogram of 256 bins."""
    total, values = int(counts.sum()), np.arange(256)
    first, second = int((counts * values).sum()), int((counts * values**2).sum())
    deviation = float(np.sqrt(total * second - first * first)) / total
    reached = np.cumsum(counts)
    p01, p99 = (int(np.searchsorted(reached, share * total)) for share in (0.01, 0.99))
    return first / total / 255, deviation / 255, p01 / 255, p99 / 255


def _blur(levels: NDArray[np.uint8], axis: int) -> float:
    """The blur of Crete et al. along an axis; 0 for a picture without variation."""
    again = cv2.blur(levels, (1, _BLUR_TAPS) if axis == 0 else (_BLUR_TAPS, 1))
    variation, remaining = (cv2.absdiff(*_neighbours(each, axis)) for each in (levels, again))
    # sums of integers, exact below 2^53
    total = cv2.sumElems(variation)[0]
    lost = cv2.sumElems(cv2.subtract(variation, remaining))[0]  # saturates: at least 0
    return 1 - lost / total if total else 0.0


def _neighbours(values: cv2.typing.MatLike, axis: int) -> tuple[cv2.typing.MatLike, cv2.typing.MatLike]:
    return (values[1:], values[:-1]) if axis == 0 else (values[:, 1:], values[:, :-1])


def wrapped_share(pixels: NDArray[np.uint8]) -> float:
    """The measure of that name of ``(height, width, 3)`` pixels, in either order of the channels."""
    return _leaps(Image.fromarray(pixels))


def _leaps(colours: Image.Image) -> float:
    """See ``wrapped_share`` of ``Measures``; rows are sampled, because they must be looked at in full resolution."""
    if colours.width <= _LEAP_ACROSS:
        return 0.0
    rows = np.asarray(colours.resize((colours.width, min(_ROWS, colours.height)), Image.Resampling.NEAREST))
    # Channel by channel: what lies in one row in memory is compared many at a time.
    channels = cv2.split(rows)
    leaps = [np.asarray(cv2.absdiff(each[:, _LEAP_ACROSS:], each[:, :-_LEAP_ACROSS])) > _LEAP for each in channels]
    pure = np.logical_and.reduce([np.asarray(cv2.LUT(each, _PURE)) for each in channels])
    single = np.logical_or.reduce(leaps) & ~np.logical_and.reduce(leaps)
    painted = pure[:, _LEAP_ACROSS:] | pure[:, :-_LEAP_ACROSS]
    return float((single & ~painted).mean())
