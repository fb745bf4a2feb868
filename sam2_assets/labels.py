"""When two labels mean the same to people: they differ only in case, width, how words are joined, or in number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
}


@lru_cache(maxsize=4096)
def plain_label(label: str) -> str:
    """A label without what people do not mean by it: width, case, accents' encoding, and how words are joined."""
    text = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.split(r"[\s_\-./]+", text.strip(" _-./")))


@lru_cache(maxsize=4096)
def plurals(label: str) -> frozenset[str]:
    """English plurals of the last word of a plain label."""
    head, _, word = label.rpartition(" ")
    forms = {word + "s", word + "es", _IRREGULAR.get(word, word + "s")}
    if len(word) > 1 and word.endswith("y"):
        forms.add(word[:-1] + "ies")
    return frozenset(f"{head} {form}".strip() for form in forms)


def alike(labels: Iterable[str]) -> dict[str, frozenset[str]]:
    """Each label with those among them that mean the same, itself included; in time linear in their number."""
    spellings: dict[str, set[str]] = {}
    for label in labels:
        spellings.setdefault(plain_label(label), set()).add(label)
    together = {plain: set(them) for plain, them in spellings.items()}
    for plain in spellings:
        for form in plurals(plain) & spellings.keys():
            together[plain] |= spellings[form]
            together[form] |= spellings[plain]
    return {label: frozenset(together[plain]) for plain, them in spellings.items() for label in them}
