"""Only pictures that every reader shows alike are taken, and no picture can fill the memory."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sam2_assets.errors import ExportError
from sam2_assets.exports.pictures import check_picture, decode_picture
from sam2_assets_tests.exports.conftest import Reader
from sam2_assets_tests.exports.export_builder import demo_export

W, H = 40, 24


def picture(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 255, (H, W, 3), np.uint8)
    return Image.fromarray(cv2.GaussianBlur(pixels, (5, 5), 0)).convert(mode)


def packed(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, depth: int, colour: int, content: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def code_of(data: bytes) -> str:
    with pytest.raises(ExportError) as caught:
        decode_picture(data, "p", W, H)
    return caught.value.code


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_plain_pictures_are_taken_and_read_alike_by_both_libraries(mode: str) -> None:
    data = packed(picture(mode))
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1]
    assert np.array_equal(decode_picture(data, "p", W, H), expected)


@pytest.mark.parametrize(
    "data",
    [
        packed(picture("RGBA")),
        packed(picture("LA")),
        packed(picture("P"), transparency=0),
        packed(picture("RGB"), transparency=(0, 0, 0)),
        packed(picture("CMYK"), "JPEG"),
        packed(picture("RGB"), "JPEG", exif=turned(6)),
        packed(picture("RGB"), exif=turned(3)),
        packed(picture(), save_all=True, append_images=[picture("L").convert("RGB")]),
        packed(picture(), "MPO", save_all=True, append_images=[picture()]),
        packed(Image.fromarray(np.zeros((H, W), np.uint16))),
        png_of(W, H, 16, 2, bytes((6 * W + 1) * H)),
    ],
    ids=["RGBA", "LA", "P-clear", "RGB-clear", "CMYK", "turned", "turned-png", "APNG", "MPO", "grey-16", "RGB-16"],
)
def test_pictures_that_readers_show_differently_are_refused(data: bytes) -> None:
    assert code_of(data) == "picture_unsupported"


@pytest.mark.parametrize("exif", [turned(1), Image.Exif()])
def test_an_upright_picture_may_say_so(exif: Image.Exif) -> None:
    assert check_picture(packed(picture(), "JPEG", exif=exif), "p", W, H) == "jpg"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_picture_is_refused(kind: str, kept: float) -> None:
    data = packed(picture(), kind)
    assert code_of(data[: int(len(data) * kept)]) == "picture_unreadable"


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF", "TIFF"])
def test_other_formats_are_refused_whatever_their_name(kind: str) -> None:
    assert code_of(packed(picture(), kind)) == "picture_unreadable"


def test_a_jpeg_that_is_called_png_is_taken_as_what_it_is(read: Reader) -> None:
    export = demo_export((0,), paint=False)
    (name, data), *_ = export.pictures.items()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    export.pictures[name] = cv2.imencode(".jpg", pixels)[1].tobytes()
    assert read(export).tables.frames["image"].tolist() == ["images/frame_000000.jpg"]


def test_a_picture_of_absurd_size_is_refused_without_being_decoded(read: Reader) -> None:
    export = demo_export((0,))
    export.pictures["images/frame_000000.png"] = png_of(100_000, 100_000, 8, 2, bytes(10_000))
    assert read.refused(export).code in ("picture_unreadable", "picture_size_mismatch")
    export.document["video"] |= {"width": 16_384, "height": 16_384}
    export.pictures["images/frame_000000.png"] = png_of(16_384, 16_384, 8, 2, bytes(10_000))
    tracemalloc.start()
    error = read.refused(export)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.code, error.field) == ("document_too_large", "video.width")
    assert peak < 50 * 1024**2


def test_a_picture_file_beyond_its_bound_is_not_unpacked(read: Reader) -> None:
    error = read.refused(demo_export((0,)), settings={"max_picture_bytes": 1000})
    assert (error.code, error.field) == ("archive_too_large", "max_picture_bytes")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([packed(picture(), "PNG"), packed(picture(), "JPEG"), packed(picture(), "JPEG", exif=turned(1))]),
    st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 255)), max_size=6),
    st.integers(0, 10**5),
)
def test_a_damaged_picture_is_read_in_its_size_or_refused(data: bytes, places: list[tuple[int, int]], cut: int) -> None:
    changed = bytearray(data)
    for place, value in places:
        changed[place % len(changed)] = value
    if cut % 3 == 0:
        del changed[cut % len(changed) :]
    with contextlib.suppress(ExportError):
        assert decode_picture(bytes(changed), "p", W, H).shape == (H, W, 3)
