"""Names on pictures: which text the bundled font can draw, which colour an object has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from PIL import ImageFont

# Okabe and Ito's palette without black, darkened yellow, and three more: told apart by colour-blind readers.
_COLOURS = (
    (0, 114, 178),
    (230, 119, 0),
    (0, 158, 115),
    (204, 83, 167),
    (86, 180, 233),
    (213, 54, 40),
    (190, 170, 20),
    (118, 74, 188),
    (90, 90, 90),
    (140, 86, 75),
)


def colour(index: int) -> tuple[int, int, int]:
    """The RGB colour of an object id or of a class's number."""
    return _COLOURS[index % len(_COLOURS)]


def _font_file() -> Path:
    """DejaVu Sans as matplotlib carries it, so that every machine draws the same bytes."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font at ``size`` pixels; the basic layout engine, because not every machine has the other."""
    return ImageFont.truetype(str(_font_file()), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _drawable() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_font_file())).get_charmap())


def can_draw(text: str) -> bool:
    """Every character has a glyph and is written left to right, so that the picture shows what the text says."""
    return all(ord(c) in _drawable() and unicodedata.bidirectional(c) not in {"R", "AL", "NSM"} for c in text)


def printable_labels(labels: Iterable[str]) -> dict[str, str]:
    """What pictures call each label: itself, or ``class 3``, its place (from 1) among the sorted labels."""
    return {
        label: _shorten(label) if can_draw(label) else f"class {i}" for i, label in enumerate(sorted(set(labels)), 1)
    }


def _shorten(text: str, longest: int = 28) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
