"""Which code this is: a hash over the package's own source files, so that a copy can be told from the original."""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
_SUFFIXES = (".py", ".json", ".j2", ".yaml")


def source_files(package: Path = PACKAGE) -> list[Path]:
    """The files that make up the package, sorted by their path inside it."""
    found = (path for path in package.rglob("*") if path.suffix in _SUFFIXES or path.name == "py.typed")
    return sorted((p for p in found if p.is_file() and "__pycache__" not in p.parts), key=lambda p: p.as_posix())


def code_sha256(package: Path = PACKAGE) -> str:
    """The sha256 over names and bytes of :func:`source_files`."""
    digest = hashlib.sha256()
    for path in source_files(package):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(package).as_posix()} {content}\n".encode())
    return digest.hexdigest()
