"""Typed access to a parsed JSON document that knows where it is, so that every error can name file, field and value."""

from __future__ import annotations

import math
from typing import Final

from sam2_assets.errors import ExportError

_REMEDY: Final = "Export again, or correct the value; see the layout in the documentation."


class Field:
    """One value of a JSON document.

    Args:
        file: the member of the archive it is in.
        path: its path, e.g. ``annotations[3].objects[0].bbox``; empty for the document itself.
        value: what the parser gave.
    """

    __slots__ = ("file", "path", "value")

    def __init__(self, file: str, path: str, value: object) -> None:
        self.file = file
        self.path = path
        self.value = value

    def error(self, code: str, problem: str, remedy: str = _REMEDY) -> ExportError:
        """An ``ExportError`` about this value (to be raised by the caller)."""
        return ExportError(code, problem, remedy=remedy, file=self.file, field=self.path or None, value=self.value)

    def _child(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def mapping(self) -> dict[str, object]:
        """The value as an object; ``wrong_type`` otherwise."""
        if isinstance(self.value, dict):
            return self.value
        raise self.error("wrong_type", "must be an object {…}")

    def get(self, key: str) -> Field | None:
        """A member of this object; None if it is absent or null."""
        value = self.mapping().get(key)
        return None if value is None else Field(self.file, self._child(key), value)

    def need(self, key: str) -> Field:
        """A member of this object; ``missing_field`` if it is absent or null."""
        found = self.get(key)
        if found is None:
            raise ExportError("missing_field", "is missing", remedy=_REMEDY, file=self.file, field=self._child(key))
        return found

    def elements(self) -> list[Field]:
        """The value as a list of fields; ``wrong_type`` otherwise."""
        if not isinstance(self.value, list):
            raise self.error("wrong_type", "must be a list […]")
        return [Field(self.file, f"{self.path}[{i}]", value) for i, value in enumerate(self.value)]

    def integer(self, least: int, most: int) -> int:
        """An integer in ``least..most``; else ``wrong_type`` (3.0 and true are no integers) or ``out_of_range``."""
        if type(self.value) is not int:
            raise self.error("wrong_type", "must be an integer")
        if not least <= self.value <= most:
            raise self.error("out_of_range", f"must be in {least}..{most}")
        return self.value

    def number(self, least: float, most: float) -> float:
        """A finite number in ``least..most``; ``wrong_type`` or ``out_of_range`` otherwise."""
        if type(self.value) is not int and type(self.value) is not float:
            raise self.error("wrong_type", "must be a number")
        value = float(self.value)
        if not math.isfinite(value) or not least <= value <= most:
            raise self.error("out_of_range", f"must be in {least:g}..{most:g}")
        return value

    def text(self, longest: int) -> str:
        """A string of at most ``longest`` characters; ``wrong_type`` or ``out_of_range`` otherwise."""
        if not isinstance(self.value, str):
            raise self.error("wrong_type", "must be a string")
        if len(self.value) > longest:
            raise self.error("out_of_range", f"must have at most {longest} characters, has {len(self.value)}")
        return self.value
