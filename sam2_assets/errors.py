"""The errors a user can cause, each naming the file, the field, the value seen and what to do about it."""

from __future__ import annotations

from typing import Final

_UNSET: Final = object()
_LONGEST_VALUE: Final = 80


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


class Sam2AssetsError(Exception):
    """A problem with what a user gave us.

    The message is one line: ``file: field = value: problem. remedy``.

    Args:
        code: stable machine-readable name of the problem, ``snake_case``.
        problem: what is wrong, in one clause.
        remedy: what the user can do, as a sentence.
        file: the file it is about, as the user named it (or a member of the archive).
        field: path of the field inside the file, e.g. ``annotations[3].objects[0].mask_rle``.
        value: the value seen there; shortened in the message.
    """

    def __init__(
        self,
        code: str,
        problem: str,
        *,
        remedy: str,
        file: str | None = None,
        field: str | None = None,
        value: object = _UNSET,
    ) -> None:
        self.code = code
        self.problem = problem
        self.remedy = remedy
        self.file = file
        self.field = field
        self.value = None if value is _UNSET else _shorten(value)
        place = [part for part in (file, field) if part]
        if self.value is not None:
            place.append(self.value) if not field else place.__setitem__(-1, f"{field} = {self.value}")
        message = ": ".join([*place, problem])
        super().__init__(f"{message.rstrip('.')}. {remedy}".replace("\n", " "))

    def as_dict(self) -> dict[str, str | None]:
        """The error as JSON-ready fields (``code``, ``message``, ``file``, ``field``, ``value``, ``remedy``)."""
        return {
            "code": self.code,
            "message": str(self),
            "file": self.file,
            "field": self.field,
            "value": self.value,
            "remedy": self.remedy,
        }


class ExportError(Sam2AssetsError):
    """An export ZIP (or the video beside it) that cannot be read, or contradicts itself."""


class SettingsError(Sam2AssetsError):
    """A settings or configuration file that does not say something we can follow."""


class DatasetError(Sam2AssetsError):
    """Tables, datasets or splits that cannot be used for what was asked."""


class TrainingError(Sam2AssetsError):
    """A base model, plan or training run that cannot go on."""


class PackagingError(Sam2AssetsError):
    """A model repository or image that cannot be built, started or queried."""


class StoreError(Sam2AssetsError):
    """An artifact that is missing, damaged, or could not be published."""


class GateError(Sam2AssetsError):
    """A quality gate, an approval or a lease that stands in the way."""
