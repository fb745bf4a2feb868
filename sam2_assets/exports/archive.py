"""Reads members of a ZIP that a stranger made, without ever extracting it.

Everything that could hurt is refused when the archive is opened: names that leave the folder, symbolic links,
duplicates, encryption, and sizes beyond the bounds of ``ImportSettings``. Checksums are verified when a member is read.
"""

from __future__ import annotations

import lzma
import re
import stat
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.settings import ImportSettings

_ENCRYPTED: Final = 0x1
_DRIVE: Final = re.compile(r"^[A-Za-z]:")
# Deflate reaches 1032:1 on constant input, and small constant files are harmless
_RATIO_MATTERS_FROM: Final = 16 * 1024**2
_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
_MAKE_AGAIN: Final = "Export again, or zip the export's folder anew without changing names."


class Archive:
    """An opened export. Use as a context manager.

    Args:
        path: the ZIP.
        settings: bounds.

    Raises:
        ExportError: ``archive_missing``, ``not_a_zip``, ``path_escape``, ``symlink``, ``duplicate_member``,
            ``encrypted_member``, ``archive_too_large``.
    """

    def __init__(self, path: Path, settings: ImportSettings) -> None:
        self.name = path.name
        if not path.is_file():
            raise ExportError("archive_missing", "no such file", remedy="Check the path of the export.", file=self.name)
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_UNREADABLE, ValueError) as error:
            raise ExportError(
                "not_a_zip",
                f"cannot be read as a ZIP archive ({error}): truncated upload, or another format",
                remedy="Upload the file again, complete, as the demo's export wrote it.",
                file=self.name,
            ) from error
        try:
            self._members = self._checked(settings)
        except ExportError:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    @property
    def members(self) -> list[str]:
        """Names of all files (no folders), as the archive spells them, sorted."""
        return sorted(self._members)

    def size(self, member: str) -> int:
        """Bytes that ``member`` unpacks to, as the archive states (reading never gives more)."""
        return self._members[member].file_size

    def read(self, member: str) -> bytes:
        """The bytes of one member, its checksum verified.

        Raises:
            ExportError: ``corrupt_member``.
        """
        try:
            return self._zip.read(self._members[member])
        except (*_UNREADABLE, RuntimeError) as error:
            raise ExportError(
                "corrupt_member",
                f"cannot be unpacked ({error})",
                remedy="The archive is damaged: upload it again.",
                file=f"{self.name}/{member}",
            ) from error

    def _checked(self, settings: ImportSettings) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > settings.max_members:
            raise self._too_large("max_members", len(infos), settings.max_members)
        total = sum(info.file_size for info in infos)
        if total > settings.max_total_bytes:
            raise self._too_large("max_total_bytes", total, settings.max_total_bytes)
        seen: set[str] = set()
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._check_name(info)
            key = info.filename.rstrip("/")
            if key in seen:
                raise self._refusal("duplicate_member", "the archive has two members of this name", info)
            seen.add(key)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise self._refusal("symlink", "is a symbolic link", info)
            if info.flag_bits & _ENCRYPTED:
                raise self._refusal("encrypted_member", "is encrypted", info, "Zip the export without a password.")
            if info.file_size > settings.max_member_bytes:
                raise self._too_large("max_member_bytes", info.file_size, settings.max_member_bytes, info)
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > _RATIO_MATTERS_FROM and ratio > settings.max_ratio:
                raise self._too_large("max_ratio", round(ratio), settings.max_ratio, info)
            if not info.is_dir():
                members[info.filename] = info
        return members

    def _check_name(self, info: zipfile.ZipInfo) -> None:
        # orig_filename is the name before zipfile cuts it at a NUL byte
        name = info.orig_filename
        if "\\" in name or name.startswith("/") or _DRIVE.match(name) or "\0" in name or ".." in name.split("/"):
            raise self._refusal("path_escape", "the name leads out of the archive's folder", info)

    def _refusal(self, code: str, problem: str, info: zipfile.ZipInfo, remedy: str = _MAKE_AGAIN) -> ExportError:
        return ExportError(code, problem, remedy=remedy, file=self.name, value=info.orig_filename)

    def _too_large(self, bound: str, seen: float, most: float, info: zipfile.ZipInfo | None = None) -> ExportError:
        return ExportError(
            "archive_too_large",
            f"more than the bound {bound} = {most:g} allows",
            remedy=f"If you trust the file, raise {bound} in the import settings.",
            file=self.name if info is None else f"{self.name}/{info.filename}",
            field=bound,
            value=seen,
        )
