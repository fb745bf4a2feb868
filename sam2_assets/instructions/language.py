"""Languages as data: ``phrasings/<code>.yaml`` holds every word that a question or an answer is made of.

A new language is one file. Labels are not translated: they are what the user wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
OUTLINES = "segment_outlines"
"""Beside the tasks: the phrasings of ``segment`` that ask for outlines, too."""
ROWS = ("upper", "middle", "lower")
COLUMNS = ("left", "centre", "right")


class Language(BaseModel):
    """The words of a language.

    Args:
        name: of the language, in itself.
        none: the answer where nothing was found.
        questions: task to its phrasings; ``{label}`` and the like are replaced.
        places: ``<row>_<column>`` of the picture to its words.
        relations: relation to a phrase that means ``{label}``, some by ``{other}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    none: str
    questions: Mapping[str, tuple[str, ...]]
    places: Mapping[str, str]
    relations: Mapping[str, str]


def placeholders(phrasing: str) -> set[str]:
    """The names in braces, without the braces."""
    return set(_PLACEHOLDER.findall(phrasing))


def fill(phrasing: str, values: Mapping[str, str]) -> str:
    """A phrasing with its placeholders replaced, all at once: a label may itself hold braces."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), phrasing)


@cache
def languages() -> tuple[str, ...]:
    """The codes of all languages there are."""
    folder = files("sam2_assets.instructions").joinpath("phrasings")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


@cache
def language(code: str) -> Language:
    """The language of a code in :func:`languages`."""
    text = files("sam2_assets.instructions").joinpath("phrasings", f"{code}.yaml").read_text(encoding="utf-8")
    return Language.model_validate(yaml.safe_load(text))
