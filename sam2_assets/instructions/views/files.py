"""Files that every view writes alike: its copy of the pictures, JSON of any length, and ``view.json``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from sam2_assets.instructions.rows import Row

VIEW_FILE = "view.json"


def image_path(row: Row) -> str:
    """Where a view keeps the picture of a row, relative to the view's folder; unique across videos."""
    return f"images/{row.video_id}_{row.frame_index:06d}{Path(row.image_name).suffix}"


def write_image(row: Row, out: Path) -> str:
    """Write the row's picture into the view folder ``out`` and return its relative path."""
    name = image_path(row)
    (out / "images").mkdir(exist_ok=True)
    (out / name).write_bytes(row.image_bytes)
    return name


def json_list(records: Iterable[Any]) -> Iterable[bytes]:
    """A JSON list as chunks of bytes, one record a line: never the whole list in memory."""
    yield b"["
    separator = b"\n"
    for record in records:
        yield separator + orjson.dumps(record)
        separator = b",\n"
    yield b"\n]"


class JsonList:
    """A JSON list that is written record by record, one a line.

    Args:
        path: the file.
        before: what stands before the list, e.g. ``{"samples":``.
        after: what stands after it.
    """

    def __init__(self, path: Path, before: bytes = b"", after: bytes = b"\n") -> None:
        self._path = path
        self._before = before
        self._after = after
        self._separator = b"\n"
        self._stream: IO[bytes] = path.open("wb")

    def __enter__(self) -> JsonList:
        self._stream.write(self._before + b"[")
        return self

    def add(self, line: bytes) -> None:
        """Write one record, already JSON."""
        self._stream.write(self._separator + line)
        self._separator = b",\n"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stream:
            self._stream.write(b"\n]" + self._after)


def write_json(path: Path, document: Any) -> None:
    """Write an indented JSON document."""
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
