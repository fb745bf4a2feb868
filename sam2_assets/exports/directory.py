"""What the table of contents of a stranger's ZIP may say, before a byte of any member is unpacked."""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections.abc import Sequence
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.settings import ImportSettings

_ENCRYPTED: Final = 0x1
_DRIVE: Final = re.compile(r"^[A-Za-z]:")
# Finder's icon of a folder is a file of this name
_MAC_ICON: Final = "Icon\r"
_LOCAL_HEADER: Final = 30
# Deflate reaches 1032:1 on constant input, and small constant files are harmless
_RATIO_MATTERS_FROM: Final = 16 * 1024**2
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_MAKE_AGAIN: Final = "Export again, or zip the export's folder anew without changing names."


def check_directory(archive: zipfile.ZipFile, name: str, settings: ImportSettings) -> dict[str, zipfile.ZipInfo]:
    """The files (no folders) that an archive lists, by name.

    Args:
        archive: opened; nothing is read from it.
        name: how errors call it.
        settings: bounds.

    Raises:
        ExportError: ``archive_too_large``, ``path_escape``, ``bad_member_name``, ``symlink``, ``duplicate_member``,
            ``encrypted_member``, ``unsupported_compression``, ``overlapping_members``.
    """
    infos = archive.infolist()
    if len(infos) > settings.max_members:
        raise too_large(name, "max_members", len(infos), settings.max_members)
    total = sum(info.file_size for info in infos)
    if total > settings.max_total_bytes:
        raise too_large(name, "max_total_bytes", total, settings.max_total_bytes)
    seen: dict[str, str] = {}
    for info in infos:
        _check_name(info, name)
        _refuse_duplicate(info, name, seen)
        _check_kind(info, name)
        _check_size(info, name, settings)
    _refuse_overlaps(infos, name, archive.start_dir)
    return {info.filename: info for info in infos if not info.is_dir()}


def _check_name(info: zipfile.ZipInfo, archive: str) -> None:
    # orig_filename is the name before zipfile cuts it at a NUL byte
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name[:1] in ("/", "\\") or _DRIVE.match(name) or "\0" in name or ".." in parts:
        raise _refusal("path_escape", "the name leads out of the archive's folder", info, archive)
    if "\\" in name:  # which program means a folder by it, and which a character of the name?
        why = "the name has a backslash, which some programs for Windows write instead of / between folders"
        raise _refusal("bad_member_name", why, info, archive)
    if not name.strip("/.") or (parts[-1] != _MAC_ICON and any(unicodedata.category(c) == "Cc" for c in name)):
        raise _refusal("bad_member_name", "the name is empty or has control characters", info, archive)


def _refuse_duplicate(info: zipfile.ZipInfo, archive: str, seen: dict[str, str]) -> None:
    # Names that some file systems hold to be one would be unpacked over each other there: which one is meant?
    key = unicodedata.normalize("NFC", info.filename.rstrip("/")).casefold()
    if key in seen:
        same = seen[key] == info.filename.rstrip("/")
        how = "of this name" if same else f"whose names differ only in case or accents' encoding ({seen[key]!r})"
        raise _refusal("duplicate_member", f"the archive has two members {how}", info, archive)
    seen[key] = info.filename.rstrip("/")


def _check_kind(info: zipfile.ZipInfo, archive: str) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refusal("symlink", "is a symbolic link", info, archive)
    if info.flag_bits & _ENCRYPTED:
        raise _refusal("encrypted_member", "is encrypted", info, archive, "Zip the export without a password.")
    if info.compress_type not in _METHODS:
        problem = f"is packed with method {info.compress_type}"
        raise _refusal("unsupported_compression", problem, info, archive, "Zip the export with Deflate, the default.")


def _check_size(info: zipfile.ZipInfo, archive: str, settings: ImportSettings) -> None:
    file = f"{archive}/{info.filename}"
    if info.file_size > settings.max_member_bytes:
        raise too_large(file, "max_member_bytes", info.file_size, settings.max_member_bytes)
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > _RATIO_MATTERS_FROM and ratio > settings.max_ratio:
        raise too_large(file, "max_ratio", round(ratio), settings.max_ratio)


def _refuse_overlaps(infos: Sequence[zipfile.ZipInfo], archive: str, end: int) -> None:
    """Members that share packed bytes make small archives unpack to any size (D. Fifield, "A better zip bomb")."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for i, info in enumerate(ordered):
        limit = ordered[i + 1].header_offset if i + 1 < len(ordered) else end
        # the name in the local header is the same; other fields may follow it, so this is the least it can take
        least = _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
        if info.header_offset < 0 or info.header_offset + least > limit:
            raise _refusal("overlapping_members", "its packed bytes run into what follows", info, archive)


def _refusal(code: str, problem: str, info: zipfile.ZipInfo, archive: str, remedy: str = _MAKE_AGAIN) -> ExportError:
    return ExportError(code, problem, remedy=remedy, file=archive, value=info.orig_filename)
