"""The local cache of what was read from S3: where it lies, and what is deleted when it grows too large."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from sam2_assets.errors import SettingsError

CACHE_VARIABLE: Final = "SAM2_ASSETS_CACHE"
LIMIT_VARIABLE: Final = "SAM2_ASSETS_CACHE_GIB"
DEFAULT_LIMIT_GIB: Final = 50.0
IN_USE_S: Final = 24 * 3600
"""A copy asked for so lately may be open in some process: a training reads its dataset for hours."""


def cache_folder() -> Path:
    """``$SAM2_ASSETS_CACHE``, else ``~/.cache/sam2_assets``."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "sam2_assets").resolve()


def limit_bytes() -> float:
    """``$SAM2_ASSETS_CACHE_GIB`` (default 50) in bytes.

    Raises:
        SettingsError: ``bad_cache_limit``.
    """
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = -1.0
    if not gib > 0:
        raise SettingsError(
            "bad_cache_limit",
            "the cache limit is not a positive number of GiB",
            field=LIMIT_VARIABLE,
            value=text,
            remedy=f"Set a number, or unset it for {DEFAULT_LIMIT_GIB:g}.",
        )
    return gib * 1024**3


def evict(copies: Path, now: float | None = None) -> list[Path]:
    """Delete the copies that were asked for longest ago until the rest is below the limit; what was deleted.

    Copies younger than ``IN_USE_S`` stay even if they are too many: the limit is a wish, a crash would be a fact.

    Args:
        copies: a folder with one sub-folder a copy, whose time of modification is when it was last asked for.
        now: seconds since the epoch.
    """
    if not copies.is_dir():
        return []
    moment = time.time() if now is None else now
    sizes = {copy: sum(p.stat().st_size for p in copy.rglob("*") if p.is_file()) for copy in copies.iterdir()}
    total, limit, deleted = sum(sizes.values()), limit_bytes(), []
    for copy in sorted(sizes, key=lambda c: c.stat().st_mtime):
        if total <= limit or moment - copy.stat().st_mtime < IN_USE_S:
            break
        shutil.rmtree(copy, ignore_errors=True)
        deleted.append(copy)
        total -= sizes[copy]
    return deleted
