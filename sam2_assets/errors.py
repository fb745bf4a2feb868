"""The errors a user can cause, each naming the file, the field, the value seen and what to do about it."""

from __future__ import annotations

import errno
import reprlib
import unicodedata
from typing import Final, Self

_UNSET: Final = object()
_LONGEST_VALUE: Final = 80
_LONGEST_PLACE: Final = 300
_LONGEST_MESSAGE: Final = 4000


class _Bounded(reprlib.Repr):
    """``repr`` whose work does not grow with the value: values come from files that strangers made."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = _LONGEST_VALUE
        self.maxother = self.maxlong = 10 * _LONGEST_VALUE

    def repr_str(self, x: str, level: int) -> str:
        return repr(x[: 2 * _LONGEST_VALUE])


_BOUNDED: Final = _Bounded()


def brief(value: object) -> str:
    """A value as Python writes it, cut to 80 characters; safe and quick whatever the value is."""
    text = _BOUNDED.repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _printable(text: str, longest: int = _LONGEST_PLACE) -> str:
    """One line of bounded length in which nothing moves a terminal's cursor or turns the direction of reading."""
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(
        " " if c == "\n" else c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else repr(c)[1:-1]
        for c in text
    )


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
        self.file = None if file is None else _printable(file)
        self.field = None if field is None else _printable(field)
        self._seen = value
        self.value = None if value is _UNSET else brief(value)
        place = [part for part in (self.file, self.field) if part]
        if self.value is not None:
            place.append(self.value) if not field else place.__setitem__(-1, f"{self.field} = {self.value}")
        message = ": ".join([*place, problem])
        super().__init__(_printable(f"{message.rstrip('.')}. {remedy}", _LONGEST_MESSAGE))

    def in_file(self, file: str | None) -> Self:
        """The same problem, found in a file that whoever noticed it could not know."""
        return type(self)(self.code, self.problem, remedy=self.remedy, file=file, field=self.field, value=self._seen)

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


class NotificationError(Sam2AssetsError):
    """A notification that could not be sent; it never says the address."""


class LaunchError(Sam2AssetsError):
    """A run whose container cannot be given what it needs, or must not be given what it asks for."""


def no_room_left(error: BaseException) -> bool:
    """Whether the system refused to write because a disk, or somebody's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
