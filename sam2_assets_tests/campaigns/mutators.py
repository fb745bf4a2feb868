"""Ways of damaging an upload, each a function of the upload and a random generator alone.

``MUTATORS`` work on the members; ``ARCHIVE_MUTATORS`` on the bytes of the packed archive.
"""

from __future__ import annotations

import copy
import io
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from sam2_assets_tests.campaigns.bases import packed

Members = dict[str, bytes]
EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**12, 10**30, 0.5, -0.0, 1e308, 1e-308, 16_384, 100_000,
    "", "0", "x" * 100_000, "\x00\x1b[2J", "\u202eabc", "\ud800", "<image>" * 200, "<" * 500 + ">" * 500, "𓀀" * 2000,
    "0 65536", "65536", "0 " * 50_000, "1 " * 65_536, "0 10000000000", "0 268435456", "99999999999999999999", "-5 10",
    "1e5", [], {}, [[]], [0] * 1000, [[[[[[[[]]]]]]]], {"a": {}}, [10**9, 10**9], [-1] * 4, {"counts": [10**18]},
)  # fmt: skip
TOKENS = (b"NaN", b"Infinity", b"-", b"1e999", b'"', b"\\u0000", b"\xff\xfe", b"[" * 2000, b'{"a":' * 1200, b",,", b"}")


def flip(data: bytes, rng: random.Random) -> bytes:
    """Up to eight bytes changed."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Cut off somewhere."""
    return data[: rng.randrange(len(data) + 1)]


def splice(data: bytes, rng: random.Random) -> bytes:
    """A piece of it copied over another place."""
    if not data:
        return data
    start, size, place = rng.randrange(len(data)), rng.randint(1, 400), rng.randrange(len(data))
    piece = data[start : start + size]
    return data[:place] + piece + data[place + len(piece) :]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Foreign bytes in between."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice((*TOKENS, rng.randbytes(rng.randint(1, 64)))) + data[place:]


BYTES = (flip, truncate, splice, insert)


def any_bytes(data: bytes, rng: random.Random) -> bytes:
    """One of the four."""
    return rng.choice(BYTES)(data, rng)


def _pick(members: Members, rng: random.Random, *endings: str) -> str | None:
    names = [name for name in members if name.endswith(endings)]
    return rng.choice(names) if names else None


def json_bytes(members: Members, rng: random.Random) -> Members:
    """Damage the text of a document; the archive stays sound."""
    name = _pick(members, rng, ".json")
    return {**members, name: any_bytes(members[name], rng)} if name else members


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            if len(found) < 5000:
                _places(value[key], found)
    return found


def json_values(members: Members, rng: random.Random) -> Members:
    """Delete, double, retype or exaggerate values at random places of a document."""
    name = _pick(members, rng, ".json")
    if name is None:
        return members
    try:
        document = json.loads(members[name].removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return members
    for _ in range(rng.randint(1, 3)):
        places = _places(document, [])
        if not places:
            break
        holder, key = rng.choice(places)
        _change(holder, key, rng)
    return {**members, name: json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")}


def _change(holder: Any, key: Any, rng: random.Random) -> None:
    how = rng.randrange(6)
    value = holder[key]
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.extend([value] * rng.choice((1, 1, 10, 2000)))
    elif how == 2:
        holder[key] = rng.choice((str(value)[:1000], [value], {"x": value}, float(len(str(value)))))
    elif how == 3 and isinstance(value, int | float):
        holder[key] = value + rng.choice((-1, 1, 1000, -1000, 0.5))
    elif how == 4 and isinstance(holder, dict):
        new = rng.choice(("mask_size", "mask_order", "mask", "extra", "", "__proto__"))
        holder[new] = copy.deepcopy(rng.choice(EXTREMES))
    else:
        holder[key] = copy.deepcopy(rng.choice(EXTREMES))


def runs(members: Members, rng: random.Random) -> Members:
    """Change run lengths so that they may still add up: stripes, noise, zero runs, other grids."""
    name = _pick(members, rng, "annotations.json")
    if name is None:
        return members
    try:
        document = json.loads(members[name].removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return members
    masks = [(h, k) for h, k in _places(document, []) if k in ("mask_rle", "counts") and isinstance(h[k], str | list)]
    for holder, key in rng.sample(masks, min(len(masks), rng.randint(1, 3))):
        text = _runs(holder[key], rng)
        holder[key] = [int(run) for run in text.split()] if isinstance(holder[key], list) else text
        if rng.random() < 0.3:
            side = rng.choice((1, 16, 256, 4096, 16_384))
            holder["mask_size"] = [side, rng.choice((side, 65_536 // side or 1))]
    return {**members, name: json.dumps(document).encode()}


def _runs(stated: str | list[int], rng: random.Random) -> str:
    numbers = [run for run in (stated if isinstance(stated, list) else stated.split()) if str(run).isdecimal()]
    values = [int(run) for run in numbers][:20_000] or [0]
    place = rng.randrange(len(values))
    kind = rng.randrange(8)
    if kind == 0:
        side = rng.choice((256, 1024, 4096, 16_384))
        return " ".join([str(side)] * side)
    if kind == 1:
        return "1 " * rng.choice((65_536, 57_600, 100_000))
    if kind == 2:
        values[place:place] = [0] * rng.choice((1, 2, 1001))
    elif kind == 3 and values[place] > 1:
        values[place : place + 1] = [values[place] - 1, 1]
    elif kind == 4:
        values[place] = rng.choice((0, 10**9, 9_999_999_999, 10**18, 2**63))
    elif kind == 5:
        del values[place]
    elif kind == 6:
        rng.shuffle(values)
    else:
        return f"0 {rng.choice((4, 9, 1024**2, 4096**2, 10**8, 16_384**2, 20_000**2))}"
    return " ".join(map(str, values))


def _png(width: int, height: int, depth: int, colour: int, rng: random.Random) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, rng.randrange(2))
    body = zlib.compress(bytes(rng.choice((0, 1000, 10**6))))
    text = chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(10**7))) if rng.random() < 0.3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + text + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def pictures(members: Members, rng: random.Random) -> Members:
    """Damage a picture, or put another kind of picture in its place."""
    name = _pick(members, rng, ".png", ".jpg")
    if name is None:
        return members
    kind = rng.randrange(4)
    if kind == 0:
        return {**members, name: any_bytes(members[name], rng)}
    if kind == 1:
        side = rng.choice((0, 1, 320, 16_384, 100_000, 2**31 - 1))
        depth, colour = rng.choice((1, 8, 16)), rng.choice((0, 2, 3, 6))
        return {**members, name: _png(side, rng.choice((side, 180)), depth, colour, rng)}
    if kind == 2:
        return {**members, name: rng.choice(list(members.values()))}
    mode = rng.choice(("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"))
    image = Image.fromarray(np.full((180, 320), 7, np.uint16)) if mode == "I;16" else Image.new(mode, (320, 180))
    buffer = io.BytesIO()
    usual = {"RGB": ("PNG", "JPEG", "BMP"), "F": ("TIFF",), "CMYK": ("JPEG",), "I;16": ("PNG",)}
    image.save(buffer, rng.choice(usual.get(mode, ("PNG", "GIF"))))
    return {**members, name: buffer.getvalue()}


NAMES = (
    "../../evil", "/tmp/evil", "C:\\evil", "a\\b", "..", ".", "", "a\0b", "\x1b[31m", "con", "images/frame_000000.PNG",
    "images/frame_0.png", "annotations.json", "ANNOTATIONS.JSON", "x/annotations.json", "segments_index.json",
    "metadata.txt", "metadata.json", "frames/frame_0000.jpg", "images/frame_999999999.png", "e\u0301", "é", "a/" * 300,
    "n" * 60_000, "images/frame_٣.png", "__MACOSX", "annotations.json/x",
)  # fmt: skip


def names(members: Members, rng: random.Random) -> Members:
    """Rename, add or drop members."""
    name = rng.choice(list(members))
    how = rng.randrange(3)
    data = members[name]
    rest = {key: value for key, value in members.items() if key != name}
    if how == 0:
        return {**rest, rng.choice(NAMES): data}
    return {**members, rng.choice(NAMES): data} if how == 1 else rest or members


def nested(members: Members, rng: random.Random) -> Members:
    """An archive inside the archive, in any member's place."""
    return {**members, rng.choice((*members, "inner.zip")): packed(members)}


def bombs(members: Members, rng: random.Random) -> Members:
    """Much from little: long runs of zeros, brackets, tiny values, many members."""
    kind = rng.randrange(5)
    if kind == 0:
        return {**members, "bomb.bin": bytes(rng.choice((10**6, 3 * 10**7)))}
    if kind == 1:
        unit = rng.choice((b"[],", b"{},", b"[", b'{"":0},', b"0,", b'"",', b"-", b"9"))
        return {**members, "annotations.json": b"[" + unit * rng.choice((10**4, 10**6)) + b"0]"}
    if kind == 2:
        return {**members, **{f"m/{i}": b"" for i in range(rng.choice((100, 5000)))}}
    if kind == 3:
        frames = b",".join(b'{"frame_index":%d,"objects":[]}' % i for i in range(20_000))
        video = b'{"width":320,"height":180,"total_frames":1000000}'
        return {"annotations.json": b'{"video":' + video + b',"annotations":[' + frames + b"]}"}
    count, text = rng.choice(((300, "0 65536"), (250, "256 " * 256), (100, "1 " * 65_536), (5_000, "65536")))
    record = b'{"object_id":%d,"label":"%s","mask_rle":"%s"}'
    objects = b",".join(record % (i, b"<" * 400 + b"%d" % i + b">" * 400, text.encode()) for i in range(count))
    video = b'{"width":320,"height":180,"total_frames":10}'
    document = b'{"video":' + video + b',"annotations":[{"frame_index":0,"objects":[' + objects + b"]}]}"
    return {**members, "annotations.json": document}


MUTATORS: tuple[tuple[Callable[[Members, random.Random], Members], int], ...] = (
    (json_bytes, 4),
    (json_values, 8),
    (runs, 4),
    (pictures, 4),
    (names, 2),
    (nested, 1),
    (bombs, 1),
)
"""With their weights."""


def headers(data: bytes, rng: random.Random) -> bytes:
    """Fields of the archive's own records set to extreme values."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        signature, size = rng.choice(((b"PK\x01\x02", 46), (b"PK\x03\x04", 30), (b"PK\x05\x06", 22)))
        places = [match.start() for match in re.finditer(re.escape(signature), data)]
        place = rng.choice(places) if places else -1
        if not 0 <= place <= len(changed) - size:
            continue
        width, kind = rng.choice(((2, "<H"), (4, "<I")))
        offset = rng.randrange(4, size - width + 1)
        values = (0, 1, 8, 12, 14, 99, 0xFFFF, 0xFFFE, 100, 10**6, 2**31, 2**32 - 1, len(data))
        struct.pack_into(kind, changed, place + offset, rng.choice(values) % 256**width)
    return bytes(changed)


def surrounded(data: bytes, rng: random.Random) -> bytes:
    """Something before or after the archive, or a second archive behind the first."""
    other = rng.choice((b"MZ" + bytes(100), b"\x89PNG\r\n\x1a\n", data, rng.randbytes(50)))
    return other + data if rng.random() < 0.5 else data + other


ARCHIVE_MUTATORS: tuple[tuple[Callable[[bytes, random.Random], bytes], int], ...] = (
    (any_bytes, 4),
    (headers, 5),
    (surrounded, 1),
)
