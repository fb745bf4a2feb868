"""Pictures of frames as bytes: what they are, whether they fit the video, and their pixels."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sam2_assets.errors import ExportError

Pixels = npt.NDArray[np.uint8]
"""``(height, width, 3)``, in OpenCV's channel order: blue, green, red."""

_SUFFIXES: Final = {"PNG": "png", "JPEG": "jpg"}
_REMEDY: Final = "The archive is damaged or mixed up: export again."
# what Pillow raises on damaged headers and chunks
_DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def check_picture(data: bytes, file: str, width: int, height: int) -> str:
    """Check header and checksums of a PNG or JPEG without decoding it; returns the suffix, ``png`` or ``jpg``.

    Raises:
        ExportError: ``picture_unreadable``, ``picture_size_mismatch``.
    """
    try:
        with Image.open(io.BytesIO(data), formats=list(_SUFFIXES)) as picture:
            kind, size = str(picture.format), picture.size
            picture.verify()
    except _DAMAGED as error:
        raise _unreadable(file) from error
    if size != (width, height):
        raise ExportError(
            "picture_size_mismatch",
            f"the video is {width} x {height}",
            remedy=_REMEDY,
            file=file,
            field="size",
            value=f"{size[0]} x {size[1]}",
        )
    return _SUFFIXES[kind]


def decode_picture(data: bytes, file: str, width: int, height: int) -> Pixels:
    """Decode a picture that ``check_picture`` would pass.

    Raises:
        ExportError: ``picture_unreadable``, ``picture_size_mismatch``.
    """
    check_picture(data, file, width, height)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
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
