"""Reads members of a ZIP that a stranger made, without ever extracting it.

Everything that could hurt is refused when the archive is opened (``directory``): names that leave the folder, symbolic
links, duplicates, encryption, members that share their bytes, and sizes beyond the bounds of ``ImportSettings``. A
member is unpacked in small steps, never further than the size it states, and its checksum is verified.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final, cast

from sam2_assets.errors import ExportError
from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.directory import check_directory
from sam2_assets.exports.settings import ImportSettings

UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    NotImplementedError,
    ValueError,
)
"""What ``zipfile`` raises on damaged archives."""
# zipfile unpacks as much as it is asked for at a time, whatever the member states
_STEP: Final = 1024**2
# of the other methods it unpacks whole packed steps, and 40 bytes of bzip2 can be 46 MB of zeros
_PACKED_STEP: Final = 32
# set aside before the first byte is unpacked; 7-Zip's own choices end here
_MOST_LZMA_DICTIONARY: Final = 64 * 1024**2


class _Guarded(io.FileIO):
    """A file of which no more than ``most`` bytes are read at once while ``most`` is set.

    ``zipfile`` reads the whole table of contents at once and keeps an object of several hundred bytes for each of its
    entries, before anybody can look at them.
    """

    most: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file; ``_DirectoryTooLargeError`` beyond the bound."""
        if self.most is not None:
            rest = os.fstat(self.fileno()).st_size - self.tell()
            wanted = rest if size is None or size < 0 else size
            if wanted > self.most:
                raise _DirectoryTooLargeError(wanted)
        return super().read(-1 if size is None else size) or b""


class _DirectoryTooLargeError(Exception):
    """The table of contents is beyond the bound. Never leaves this module."""


class Archive:
    """An opened export. Use as a context manager.

    Args:
        path: the ZIP.
        settings: bounds.

    Raises:
        ExportError: ``archive_missing``, ``not_a_zip``, and those of ``check_directory``.
    """

    def __init__(self, path: Path, settings: ImportSettings) -> None:
        self.name = path.name
        if not path.is_file():
            raise ExportError("archive_missing", "no such file", remedy="Check the path of the export.", file=self.name)
        try:
            self._file = _Guarded(path)
        except OSError as error:
            raise self._no_zip(error) from error
        try:
            self._zip = self._opened(settings)
            self._members = check_directory(self._zip, self.name, settings)
        except ExportError:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    @property
    def members(self) -> list[str]:
        """Names of all files (no folders), as the archive spells them, sorted."""
        return sorted(self._members)

    def size(self, member: str) -> int:
        """Bytes that ``member`` unpacks to, as the archive states (reading never gives more)."""
        return self._members[member].file_size

    def read(self, member: str, most: int | None = None, bound: str = "max_member_bytes") -> bytes:
        """The bytes of one member, its checksum verified.

        Args:
            member: its name.
            most: refuse it if it states to be larger; ``max_member_bytes`` holds in any case.
            bound: the setting that ``most`` comes from, for the error.

        Raises:
            ExportError: ``corrupt_member``, ``archive_too_large``.
        """
        info = self._members[member]
        if most is not None and info.file_size > most:
            raise too_large(f"{self.name}/{member}", bound, info.file_size, most)
        try:
            if info.compress_type == zipfile.ZIP_LZMA:
                self._refuse_large_dictionary(info)
            with self._zip.open(info) as packed:
                # the size is only stated: what is kept grows with what is there
                steps = []
                size = _STEP
                if info.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
                    size = _PACKED_STEP
                    cast(zipfile.ZipExtFile, packed).MIN_READ_SIZE = size
                while step := packed.read(size):
                    steps.append(step)
        except (*UNREADABLE, RuntimeError) as error:
            raise self._corrupt(member, f"cannot be unpacked ({error})") from error
        if sum(map(len, steps)) != info.file_size:
            raise self._corrupt(member, f"has {sum(map(len, steps))} bytes, the archive states {info.file_size}")
        return b"".join(steps)

    def _corrupt(self, member: str, problem: str) -> ExportError:
        return ExportError(
            "corrupt_member",
            problem,
            remedy="The archive is damaged: upload it again.",
            file=f"{self.name}/{member}",
        )

    def _opened(self, settings: ImportSettings) -> zipfile.ZipFile:
        self._file.most = settings.max_directory_bytes
        try:
            return zipfile.ZipFile(self._file)
        except _DirectoryTooLargeError as error:
            raise too_large(
                self.name, "max_directory_bytes", int(error.args[0]), settings.max_directory_bytes
            ) from error
        except UNREADABLE as error:
            raise self._no_zip(error) from error
        finally:
            self._file.most = None

    def _no_zip(self, error: Exception) -> ExportError:
        return ExportError(
            "not_a_zip",
            f"cannot be read as a ZIP archive ({error}): truncated upload, or another format",
            remedy="Upload the file again, complete, as the demo's export wrote it.",
            file=self.name,
        )

    def _refuse_large_dictionary(self, info: zipfile.ZipInfo) -> None:
        """An LZMA member states how much memory its reader has to set aside (APPNOTE.TXT 5.8.8)."""
        self._file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", self._file.read(4))
        self._file.seek(name + extra + 5, io.SEEK_CUR)
        (dictionary,) = struct.unpack("<I", self._file.read(4))
        if dictionary > _MOST_LZMA_DICTIONARY:
            raise zipfile.BadZipFile(
                f"LZMA dictionary of {dictionary} bytes; at most {_MOST_LZMA_DICTIONARY} are set aside"
            )
