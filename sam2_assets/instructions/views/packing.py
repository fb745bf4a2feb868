"""A view as one ZIP file: the same folder gives the same bytes, and pictures are not packed a second time."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_TEXT = {".json", ".jsonl", ".md"}


def pack(folder: Path, archive: Path) -> None:
    """Write all files of a folder into a new archive, which appears under its name only when it is whole."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{archive.name}.", dir=archive.parent)
    os.close(handle)
    try:
        with zipfile.ZipFile(name, "w", allowZip64=True) as packed:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _NO_TIME)
                entry.external_attr = _READABLE
                entry.compress_type = zipfile.ZIP_DEFLATED if path.suffix in _TEXT else zipfile.ZIP_STORED
                with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        Path(name).chmod(0o644)
        Path(name).rename(archive)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
