"""Pictures of frames as bytes: what they are, whether they fit the video, and their pixels.

Only pictures that every reader shows alike are taken, since this package reads them with two libraries and people look
at them with a third: one still picture of 8 bits a channel, without transparency and not turned by its metadata.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from sam2_assets.errors import ExportError

Pixels = npt.NDArray[np.uint8]
"""``(height, width, 3)``, in OpenCV's channel order: blue, green, red."""

_FORMATS: Final = ("PNG", "JPEG")
_REMEDY: Final = "The archive is damaged or mixed up: export again."
_PLAIN: Final = "Save it as a PNG or JPEG of 8 bits a channel, without transparency, upright."
_MODES: Final = ("RGB", "L", "P", "1")
_ORIENTATION: Final = 274
_DEPTH_AT: Final = 24
"""Where a PNG states the bits of a channel: eighth byte of the IHDR chunk's content."""
_END_OF_JPEG: Final = b"\xff\xd9"
# writers pad files; a cut picture has neither the mark nor only padding after it
_PADDING: Final = 4096
# what Pillow raises on damaged headers, chunks and EXIF fields
_DAMAGED: Final = (
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


def check_picture(data: bytes, file: str, width: int, height: int) -> str:
    """Check header, checksums and kind of a PNG or JPEG without decoding it; returns the suffix, ``png`` or ``jpg``.

    The bytes decide what it is, whatever the name says. Of a JPEG only its end can be checked without decoding it.

    Raises:
        ExportError: ``picture_unreadable``, ``picture_size_mismatch``, ``picture_unsupported``.
    """
    try:
        # Pillow warns of large pictures; how large they may be is decided by the video's size
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            size = picture.size
            if size != (width, height):
                raise ExportError(
                    "picture_size_mismatch",
                    f"the video is {width} x {height}",
                    remedy=_REMEDY,
                    file=file,
                    field="size",
                    value=f"{size[0]} x {size[1]}",
                )
            odd = _oddity(picture, data)
            suffix = "png" if isinstance(picture, PngImagePlugin.PngImageFile) else "jpg"
            picture.verify()
    except _DAMAGED as error:
        raise _unreadable(file) from error
    if suffix == "jpg" and _END_OF_JPEG not in data[-_PADDING:]:
        raise _unreadable(file)
    if odd is not None:
        raise ExportError("picture_unsupported", f"the picture {odd}", remedy=_PLAIN, file=file)
    return suffix


def _oddity(picture: Image.Image, data: bytes) -> str | None:
    """Why readers may show the picture in different ways; None if they do not."""
    if getattr(picture, "n_frames", 1) != 1:
        return "has several frames (is animated, or carries a second one)"
    if picture.mode not in _MODES:
        return f"has pixels of kind {picture.mode}"
    if isinstance(picture, PngImagePlugin.PngImageFile):
        if data[_DEPTH_AT] > 8:
            return f"has {data[_DEPTH_AT]} bits a channel"
        if "transparency" in picture.info:
            return "is transparent in places"
        if "exif" not in picture.info:  # Pillow would decode the picture to look for one behind the pixels
            return None
    turned = picture.getexif().get(_ORIENTATION, 1)
    return None if turned == 1 else f"is to be turned when shown (EXIF orientation {turned!r})"


def decode_picture(data: bytes, file: str, width: int, height: int) -> Pixels:
    """Decode a picture that ``check_picture`` would pass.

    Raises:
        ExportError: ``picture_unreadable``, ``picture_size_mismatch``, ``picture_unsupported``.
    """
    check_picture(data, file, width, height)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _unreadable(file) from error
    if pixels is None or pixels.shape != (height, width, 3):
        raise _unreadable(file)
    return np.asarray(pixels, np.uint8)


def encode_png(pixels: Pixels) -> bytes:
    """Pixels as PNG bytes; the same pixels give the same bytes."""
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise AssertionError("OpenCV could not encode a PNG from pixels in memory")
    return bytes(data)


def _unreadable(file: str) -> ExportError:
    return ExportError("picture_unreadable", "is not a readable PNG or JPEG", remedy=_REMEDY, file=file)
