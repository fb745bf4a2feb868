"""Languages as data: ``phrasings/<code>.yaml`` holds every word that a question or an answer is made of.

A new language is one file. Labels are not translated: they are what the user wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")
OUTLINES = "segment_outlines"
"""Beside the tasks: the phrasings of ``segment`` that ask for outlines, too."""
ROWS = ("upper", "middle", "lower")
COLUMNS = ("left", "centre", "right")


class Phrasing(NamedTuple):
    """A question in two parts: what is asked, and how the answer is to be written (may be empty)."""

    request: str
    form: str = ""

    @property
    def text(self) -> str:
        """The whole question."""
        return self.request + self.form


class Language(BaseModel):
    """The words of a language.

    Args:
        name: of the language, in itself.
        none: the answer where nothing was found.
        full_stop: ends a sentence.
        decimal_point: of numbers in words; those of boxes have a point in every language.
        forms: how an answer is to be written where a format writes it otherwise; follows a request.
        questions: task to its phrasings; ``{label}`` and the like are replaced. In the file ``|`` parts the two halves.
        places: ``<row>_<column>`` of the picture to its words.
        relations: relation to a phrase that means ``{label}``, some by ``{other}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    none: str
    full_stop: str
    decimal_point: str
    forms: Mapping[str, str]
    questions: Mapping[str, tuple[Phrasing, ...]]
    places: Mapping[str, str]
    relations: Mapping[str, str]

    @field_validator("questions", mode="before")
    @classmethod
    def _parted(cls, questions: Mapping[str, Sequence[str]]) -> dict[str, tuple[Phrasing, ...]]:
        return {task: tuple(Phrasing(*text.split("|", 1)) for text in texts) for task, texts in questions.items()}


def reworded(request: str, code: str, form: str) -> str:
    """A request with another of the language's ``forms`` than the one it was phrased with."""
    spoken = language(code)
    stop = "" if request.endswith(_SENTENCE_ENDS) else spoken.full_stop
    return f"{request}{stop}{spoken.forms[form]}"


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
