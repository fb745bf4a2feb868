"""Folders that are either complete or not there: written under another name, sealed by a manifest, then renamed.

Checkpoints and the finished result use this. A process may be killed at any instant, and the folder may since have
been copied to and from an object store: a reader therefore checks the manifest and never trusts the name alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam2_assets.errors import TrainingError

SEAL = "complete.json"
_DRAFT = ".writing-"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder) != Path(SEAL))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def sealing(folder: Path, belongs_to: str) -> Iterator[Path]:
    """A draft to write ``folder``'s files into; at the end of the block it is sealed and takes the folder's name.

    Args:
        folder: the complete folder to be; replaced if something incomplete stands there.
        belongs_to: what it is part of (a plan hash); readers that expect another one refuse it.
    """
    draft = folder.with_name(f"{_DRAFT}{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        _seal(draft, belongs_to)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # on a full disk it is in the way of whatever comes next
        raise
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
    _flush(folder.parent)


def _seal(draft: Path, belongs_to: str) -> None:
    files = {path.relative_to(draft).as_posix(): _digest(path) for path in _files(draft)}
    seal = draft / SEAL
    seal.write_text(json.dumps({"belongs_to": belongs_to, "files": files}, indent=1, sort_keys=True) + "\n")
    # A rename may reach the disk before the contents it names: after a power cut the name alone would lie.
    for path in (*_files(draft), seal, draft):
        _flush(path)


def damage(folder: Path, belongs_to: str) -> str | None:
    """Why a folder cannot be used, in one clause; ``None`` if it is complete, undamaged and of ``belongs_to``.

    Raises:
        TrainingError: ``unreadable``: the system does not let this process read it now. Whether it is damaged cannot be
            known; who took it for damaged would write over it, or delete it.
    """
    try:
        return _damage(folder, belongs_to)
    except OSError as error:
        raise TrainingError(
            "unreadable",
            f"cannot be read now ({error.strerror})",
            file=str(error.filename or folder),
            remedy=f"Let this process read it, or mend the disk, then run again; or delete {folder} to do without it.",
        ) from error


def _damage(folder: Path, belongs_to: str) -> str | None:
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        stated, owner = seal["files"], seal["belongs_to"]
    except (FileNotFoundError, NotADirectoryError):
        return "it was not written to its end"
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError):
        return f"{SEAL} is damaged"
    if owner != belongs_to:
        return "it belongs to another plan"
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name in sorted(set(stated) | set(found)):
        if name not in found:
            return f"{name} is missing"
        if name not in stated:
            return f"{name} was added later"
        if _digest(found[name]) != stated[name]:
            return f"{name} is damaged"
    return None


def copy_sealed(folder: Path, out: Path) -> None:
    """Copy a sealed folder's files (without its seal) into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    for path in _files(folder):
        target = out / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
