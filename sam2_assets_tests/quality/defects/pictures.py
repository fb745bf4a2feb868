"""Pictures: dark, bright, blurred, frozen, falsely coloured, damaged, repeated, or without a record."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_assets.exports.overlay import PALETTE
from sam2_assets.sample.choreography import HEIGHT, WIDTH
from sam2_assets_tests.quality.defects.clean_export import STEP, CleanExport, jpeg
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect

Pixels = NDArray[np.uint8]
_SOME = (9, 10, 11)
_LATE = range(18, 24)
_SAME = frozenset({"duplicate_picture"})


def _repaint(positions: range | tuple[int, ...], change: Callable[[Pixels], Pixels]) -> Change:
    def changed(export: CleanExport) -> None:
        for position in positions:
            export.repaint(position, change(export.picture(position)))

    return changed


def _scaled(gain: float, offset: float = 0) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(np.clip(pixels * gain + offset, 0, 255), np.uint8)


def _burnt_out(share: float) -> Callable[[Pixels], Pixels]:
    """A sky without detail over the upper part."""

    def change(pixels: Pixels) -> Pixels:
        changed = pixels.copy()
        changed[: round(HEIGHT * share)] = 255
        return changed

    return change


def _sky(pixels: Pixels) -> Pixels:
    """An even transition from blue to white over the upper half."""
    changed = pixels.copy()
    down = np.linspace(0, 1, HEIGHT // 2)[:, None, None]
    changed[: HEIGHT // 2] = np.round((200, 120, 60) * (1 - down) + np.array((250, 240, 235)) * down)
    return changed


def _lamp(level: float, radius: int) -> Callable[[Pixels], Pixels]:
    """Night, but for a disc about the middle."""

    def change(pixels: Pixels) -> Pixels:
        night = np.asarray(pixels * level, np.uint8)
        disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (WIDTH // 2, HEIGHT // 2), radius, 1, -1)
        night[disc > 0] = pixels[disc > 0]
        return night

    return change


def _out_of_focus(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def _pan(length: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(cv2.blur(pixels, (length, 1)), np.uint8)


def _normalised(pixels: Pixels) -> Pixels:
    """What the exporter of commit 7465969 drew: normalised numbers, cast to 8 bits."""
    rgb = pixels[..., ::-1] / 255
    numbers = (rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return np.asarray(((numbers * 255).astype(np.int64) & 255)[..., ::-1], np.uint8)


def _as_png(positions: range, change: Callable[[Pixels], Pixels]) -> Change:
    """The exporter writes PNG; a JPEG would soften what overflowed."""

    def changed(export: CleanExport) -> None:
        for position in positions:
            name = export.picture_name(position)
            pixels = change(export.picture(position))
            del export.pictures[name]
            export.pictures[name.replace(".jpg", ".png")] = bytes(cv2.imencode(".png", pixels)[1].tobytes())

    return changed


def _garish(pixels: Pixels) -> Pixels:
    """The same scene in colours as strong as they can be."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)
    hsv[..., 1] = np.minimum(hsv[..., 1] * 3.0, 255)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)


def _poster(pixels: Pixels) -> Pixels:
    """Eight pure colours: some of them are those that the demo paints contours in."""
    return np.asarray(np.where(_garish(pixels) > 127, 255, 0), np.uint8)


def _with_contours(
    change: Callable[[Pixels], Pixels], *object_ids: int, exchanged: bool = False, late: int = 0
) -> Change:
    """Contours of these objects painted into changed pictures, as the demo does; then red and blue exchanged.

    ``late``: the contours are those of so many frames later, as if pictures and masks were of two exports.
    """

    def changed(export: CleanExport) -> None:
        _as_png(range(24), change)(export)
        for position in range(24):
            name = export.picture_name(position).replace(".jpg", ".png")
            pixels = cv2.imdecode(np.frombuffer(export.pictures[name], np.uint8), cv2.IMREAD_COLOR)
            shown = (position + late) % 24
            for place, record in enumerate(export.objects(shown)):
                if record["object_id"] in object_ids:
                    mask = export.mask(shown, record["object_id"])
                    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
                    cv2.drawContours(pixels, outlines, -1, PALETTE[place], 2)
            pixels = pixels[..., ::-1] if exchanged else pixels
            export.pictures[name] = bytes(cv2.imencode(".png", pixels)[1].tobytes())

    return changed


def _taken_out_of_the_list(export: CleanExport) -> None:
    """Painted pictures with an object more than the list: those behind it have other colours than their places."""
    _with_contours(_as_it_is, 0, 1, 3)(export)
    export.keep(1, 3)


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


def _frozen(*, masks_too: bool) -> Change:
    """From the middle on the video stands still; coded again, so that no two files are the same."""

    def change(export: CleanExport) -> None:
        picture = export.picture(12)
        for position in range(13, 24):
            noisy = picture.copy()
            noisy[: position - 12, 0] ^= 1
            export.pictures[export.picture_name(position)] = jpeg(noisy) + bytes(position)
            for each in list(export.objects(position)):
                mask = export.mask(12, each["object_id"])
                if not masks_too:
                    mask = np.roll(mask, 30 * (position % 2), axis=1)
                export.put(position, each["object_id"], np.ascontiguousarray(mask))

    return change


def _png_of(share: float) -> Change:
    """A PNG with so much of its pixels; every chunk has its right checksum, so that only decoding it tells.

    Of a frame that the importer does not sample as evidence: those it decodes itself, and refuses the export.
    """

    def change(export: CleanExport) -> None:
        name = export.picture_name(17)
        whole = bytes(cv2.imencode(".png", export.picture(17))[1].tobytes())
        header, body = whole[:33], b"".join(data for kind, data in _chunks(whole) if kind == b"IDAT")
        kept = body[: round(len(body) * share)]
        halves = (kept[: len(kept) // 2], kept[len(kept) // 2 :])
        packed = b"".join(_chunk(b"IDAT", half) for half in halves)
        del export.pictures[name]
        export.pictures[name.replace(".jpg", ".png")] = header + packed + _chunk(b"IEND", b"")

    return change


def _damaged(export: CleanExport) -> None:
    """A stretch in the middle of a JPEG is that of another file, as after an interrupted transfer; its end is there."""
    name, other = export.picture_name(17), export.pictures[export.picture_name(3)]
    whole = export.pictures[name]
    middle = len(whole) // 2
    export.pictures[name] = whole[:middle] + other[middle : middle + 400] + whole[middle + 400 :]


def _progressive(export: CleanExport) -> None:
    """As a camera might write it: coded in passes, with padding behind its end."""
    how = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4]
    data = cv2.imencode(".jpg", export.picture(17), how)[1].tobytes()
    export.pictures[export.picture_name(17)] = bytes(data) + bytes(64)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with_picture_of(index: int) -> Change:
    def change(export: CleanExport) -> None:
        export.pictures[f"images/frame_{index:06d}.jpg"] = jpeg(_sky(export.picture(5)))

    return change


def _copy(export: CleanExport) -> None:
    export.pictures[export.picture_name(12)] = export.pictures[export.picture_name(11)]


DEFECTS = (
    Defect(
        "black_picture",
        Case("the video ends before its annotations: black frames", _repaint(_LATE, _scaled(0)), also=_SAME),
        Case("it gets dark, but not black", _repaint(_LATE, _scaled(0.2))),
    ),
    Defect(
        "underexposed_picture",
        Case("night, but for a lamp", _repaint(_SOME, _lamp(0.01, 100))),
        Case("dusk, but for a lamp", _repaint(_SOME, _lamp(0.15, 100))),
    ),
    Defect(
        "overexposed_picture",
        Case("most of the frame is burnt out", _repaint(_SOME, _burnt_out(0.8))),
        Case("snow: over-bright, not burnt out", _repaint(_SOME, _scaled(0.3, 165))),
    ),
    Defect(
        "overexposed_picture",
        Case("more than half of the frame is burnt out", _repaint(_SOME, _burnt_out(0.6))),
        Case("the sky over the upper half is an even gradient", _repaint(_SOME, _sky)),
    ),
    Defect(
        "blurred_picture",
        Case("three frames are out of focus", _repaint(_SOME, _out_of_focus(6))),
        Case("a fast pan", _repaint(_SOME, _pan(5))),
    ),
    Defect(
        "blurred_picture",
        Case("the whole video is out of focus", _repaint(range(24), _out_of_focus(12))),
        Case("the whole video is a little soft", _repaint(range(24), _out_of_focus(0.8))),
    ),
    Defect(
        "frozen_picture",
        Case("the video stands still, the masks move on", _frozen(masks_too=False)),
        Case("a still scene: neither moves", _frozen(masks_too=True)),
    ),
    Defect(
        "false_colours",
        Case("frames are drawn on a network's numbers", _as_png(range(24), _normalised)),
        Case("frames in garish colours", _as_png(range(24), _garish)),
    ),
    Defect(
        "false_colours",
        Case(
            "red and blue are exchanged in painted pictures",
            _with_contours(_as_it_is, 0, 1, 3, exchanged=True),
            also=frozenset({"burnt_in_overlay"}),
        ),
        Case(
            "painted pictures in their own colours",
            _with_contours(_as_it_is, 0, 1, 3),
            also=frozenset({"burnt_in_overlay"}),
        ),
    ),
    Defect(
        "burnt_in_overlay",
        Case("one object's contour is painted into pictures of pure colours", _with_contours(_poster, 0)),
        Case("pictures of eight pure colours", _as_png(range(24), _poster)),
    ),
    Defect(
        "outlined_elsewhere",
        Case(
            "painted pictures are those of other frames than their masks",
            _with_contours(_as_it_is, 0, 1, 3, late=6),
            also=frozenset({"burnt_in_overlay"}),
        ),
        Case(
            "an object of painted pictures is taken out of the list by hand",
            _taken_out_of_the_list,
            also=frozenset({"burnt_in_overlay"}),
        ),
    ),
    Defect(
        "corrupt_picture",
        Case("a picture breaks off in the middle", _png_of(0.5)),
        Case("a picture comes in two pieces", _png_of(1.0)),
    ),
    Defect(
        "corrupt_picture",
        Case("a stretch in the middle of a JPEG is that of another file", _damaged),
        Case("a JPEG is coded in passes and padded", _progressive),
    ),
    Defect(
        "picture_without_record",
        Case("a picture shows a frame that no record mentions", _with_picture_of(STEP * 5 + 1)),
        Case("the picture of a frame shows another scene", _with_picture_of(STEP * 5)),
    ),
    Defect(
        "duplicate_picture",
        Case("a frame has the file of the frame before", _copy),
        Case("frames are coded again", _repaint(range(24), _scaled(1))),
    ),
)
