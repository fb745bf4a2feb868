"""What every kind of root can do. Names are relative to the root, with ``/`` between their parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredFile:
    """One file as a listing shows it.

    Args:
        name: relative to the root.
        size: bytes.
        modified: when these contents got there, seconds since the epoch, by the storage's clock. S3 writes down when
            an upload in parts began, which may be hours before the object is seen.
        version: another one whenever the contents are replaced (a folder: size and time; S3: the ETag).
    """

    name: str
    size: int
    modified: float
    version: str


@dataclass(frozen=True)
class Page:
    """A part of a listing.

    Args:
        files: sorted by name, character by character.
        last: where the next page goes on; None if there is nothing behind this one.
        now: seconds since the epoch, by the clock that also writes ``StoredFile.modified``.
    """

    files: tuple[StoredFile, ...]
    last: str | None
    now: float


class Storage(Protocol):
    """Files under one root. Every write appears whole or not at all."""

    def uri(self, name: str = "") -> str:
        """The address of a file or folder, for people and other tools."""
        ...

    def shown(self, name: str = "") -> str:
        """How messages call a file or folder: by its path or its address."""
        ...

    def below(self, name: str) -> Storage:
        """The part of this storage under ``name``, as a storage of its own."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Every file under a folder (the root if empty), at any depth, sorted by name."""
        ...

    def page(self, after: str, most: int) -> Page:
        """At most ``most`` files (1,000 on S3) whose names come behind ``after``; for listings of any length."""
        ...

    def arriving(self) -> frozenset[str]:
        """Names that somebody is uploading in parts just now; begun in the last day, as far as the storage can tell."""
        ...

    def stat(self, name: str) -> StoredFile | None:
        """One file, or None if it is absent."""
        ...

    def read(self, name: str) -> bytes | None:
        """A small file's bytes, or None if it is absent."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, replacing what was there."""
        ...

    def put(self, path: Path, name: str) -> None:
        """Copy a local file of any size, replacing what was there."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; absent ones are no error."""
        ...

    def local(self, file: StoredFile) -> Path:
        """A local path with the contents of exactly this version; nobody may change it.

        Raises:
            StoreError: ``file_changed`` if the version is no longer there.
        """
        ...

    def draft(self, place: str, name: str) -> Path:
        """A fresh local folder in which the folder ``place`` is made ready; ``name`` tells drafts apart."""
        ...

    def publish(self, draft: Path, place: str, last: str) -> bool:
        """Make the draft the folder ``place``. A reader that waits for the file ``last`` sees all or nothing.

        Returns:
            False if there is such a folder already; nothing was changed then.
        """
        ...

    def folder(self, place: str, names: Collection[str]) -> Path:
        """A local folder that holds the named files of a published folder; nobody may change it.

        Files that the storage does not have are not there.
        """
        ...

    def forget(self, place: str, name: str) -> bool:
        """Drop a local copy that turned out damaged; False if there is no copy, only the file itself."""
        ...

    def leftovers(self, place: str) -> Iterator[Path]:
        """Local drafts that killed processes left behind beside ``place``."""
        ...
