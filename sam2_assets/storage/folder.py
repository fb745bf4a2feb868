"""A root that is a folder: files are written under a hidden name and renamed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from sam2_assets.errors import StoreError
from sam2_assets.storage.base import Page, StoredFile

DRAFT_PREFIX = ".draft-"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small local file so that a reader sees the old contents or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{DRAFT_PREFIX}{os.getpid()}-{path.name}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def flush(path: Path) -> None:
    """Make a file or a folder's entries durable: a rename may reach the disk before the contents it names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderStorage:
    """Files under a local folder, which is made when the first is written.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def uri(self, name: str = "") -> str:
        """``file://…``."""
        return (self.root / name).as_uri()

    def shown(self, name: str = "") -> str:
        """The path."""
        return str(self.root / name)

    def below(self, name: str) -> FolderStorage:
        """The sub-folder as a storage."""
        return FolderStorage(self.root / name)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """Every file, sorted by name; drafts are not files yet."""
        for path in sorted((self.root / prefix).rglob("*")):
            name = path.relative_to(self.root)
            if not any(part.startswith(DRAFT_PREFIX) for part in name.parts):
                found = self.stat(name.as_posix())
                if found is not None:
                    yield found

    def _names(self, folder: Path, prefix: str, after: str) -> Iterator[str]:
        """Names behind ``after``, sorted as S3 does: ``a-b/x``, ``a.zip``, ``a/x``. Other folders are not opened."""
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        below = {f"{prefix}{e.name}/" for e in entries if e.is_dir(follow_symlinks=False)}
        for name in sorted(below | {prefix + e.name for e in entries if not e.is_dir(follow_symlinks=False)}):
            if name.removeprefix(prefix).startswith(DRAFT_PREFIX):
                continue
            if name in below:
                if name > after or after.startswith(name):
                    yield from self._names(self.root / name, name, after)
            elif name > after:
                yield name

    def page(self, after: str, most: int) -> Page:
        """Only the files of the page are looked at."""
        names = list(islice(self._names(self.root, "", after), most + 1))
        files = tuple(file for name in names[:most] if (file := self.stat(name)) is not None)
        return Page(files, names[most - 1] if len(names) > most else None, time.time())

    def arriving(self) -> frozenset[str]:
        """A folder does not tell; a file that grows is young."""
        return frozenset()

    def stat(self, name: str) -> StoredFile | None:
        """One file. One that was moved here, or copied with its old date, counts from then."""
        path = self.root / name
        if not path.is_file():
            return None
        stat = path.stat()
        arrived = max(stat.st_mtime, stat.st_ctime)
        return StoredFile(name, stat.st_size, arrived, f"{stat.st_size}-{stat.st_mtime_ns}")

    def read(self, name: str) -> bytes | None:
        """A file's bytes."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write by one rename."""
        write_atomically(self.root / name, data)

    def put(self, path: Path, name: str) -> None:
        """Copy by one rename."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{DRAFT_PREFIX}{os.getpid()}-{target.name}")
        try:
            shutil.copyfile(path, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a file."""
        (self.root / name).unlink(missing_ok=True)

    def local(self, file: StoredFile) -> Path:
        """The file itself."""
        found = self.stat(file.name)
        if found is None or found.version != file.version:
            raise file_changed(self.shown(file.name))
        return self.root / file.name

    def draft(self, place: str, name: str) -> Path:
        """A hidden folder beside the place, so that one rename publishes it."""
        folder = (self.root / place).with_name(f"{DRAFT_PREFIX}{name}")
        folder.mkdir(parents=True)
        return folder

    def publish(self, draft: Path, place: str, last: str) -> bool:
        """Flush the files, then rename."""
        target = self.root / place
        if target.exists():
            return False
        for path in [*sorted(p for p in draft.rglob("*") if p.is_file()), draft]:
            flush(path)
        draft.rename(target)
        flush(target.parent)
        return True

    def folder(self, place: str, names: Collection[str]) -> Path:
        """The folder itself."""
        return self.root / place

    def forget(self, place: str, name: str) -> bool:
        """There are no copies."""
        return False

    def leftovers(self, place: str) -> Iterator[Path]:
        """Hidden folders beside the place."""
        return (self.root / place).parent.glob(f"{DRAFT_PREFIX}*")


def file_changed(file: str) -> StoreError:
    """The error for a file that was replaced or taken away after it was listed."""
    return StoreError(
        "file_changed",
        "was replaced or removed while it was about to be read",
        file=file,
        remedy="Run again; the newest version is taken then.",
    )
