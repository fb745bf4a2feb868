"""Labels made safe for prompts, one label at a time; near-same labels are a quality finding and not merged here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from sam2_assets.tables import Provenance

_SPACE: Final = re.compile(r"\s+")
# zero-width space, byte order mark and the marks that reverse the direction of text; joiners stay: scripts need them
_INVISIBLE: Final = re.compile("[\u200b\ufeff\u202a-\u202e\u2066-\u2069]")


def clean_label(raw: str, object_id: int, label_map: Mapping[str, str]) -> tuple[str, Provenance]:
    """The label to use and how it came about.

    White space is collapsed, control characters go, Unicode is composed (NFC), and what a chat template could take
    for a token (``<image>``, ``<|…|>``, ``</s>``) gets typographic brackets: ``‹image›``. A label with nothing left
    becomes ``object_<id>``, the demo's own default. ``label_map`` is looked up with the raw, then the clean label.
    """
    label = clean_text(raw) or f"object_{object_id}"
    for key in (raw, label):
        if key in label_map:
            return clean_text(label_map[key]), Provenance.MAPPED
    return label, Provenance.STATED if label == raw else Provenance.CLEANED


def clean_text(text: str) -> str:
    """A text as ``clean_label`` makes it, before any map; empty if nothing is left."""
    text = _SPACE.sub(" ", unicodedata.normalize("NFC", text))
    text = _INVISIBLE.sub("", "".join(c for c in text if unicodedata.category(c) != "Cc"))
    text = _SPACE.sub(" ", text).strip()
    return _without_tags(text).replace("<|", "‹|").replace("|>", "|›")


def _without_tags(text: str) -> str:
    """Pairs of angle brackets made typographic, also pairs inside pairs: ``<<image>>`` must not leave ``<image>``."""
    characters = list(text)
    opened: list[int] = []
    for place, character in enumerate(characters):
        if character == "<":
            opened.append(place)
        elif character == ">" and opened:
            characters[opened.pop()], characters[place] = "‹", "›"
    return "".join(characters)
