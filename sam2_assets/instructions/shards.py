"""Writing rows to parquet files with a bounded number of pictures in memory."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.instructions.rows import Row, features
from sam2_assets.instructions.settings import InstructionSettings

_MEGABYTE = 1_000_000


class ShardWriter:
    """Writes rows to ``data/train-0000N.parquet``; holds at most one row group of pictures in memory."""

    def __init__(self, folder: Path, settings: InstructionSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._schema: pa.Schema = features().arrow_schema
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = 0
        self._shard_bytes = 0
        self._shards = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> ShardWriter:
        self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._close()

    def add(self, row: Row) -> None:
        """Take a row; it is on disk once its group is full or the writer is closed."""
        self._pending.append(row.as_record())
        self._pending_bytes += len(row.image_bytes)
        if self._pending_bytes >= self._settings.row_group_mb * _MEGABYTE:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            path = self._folder / f"train-{self._shards:05d}.parquet"
            # Pictures are compressed already, and all different: neither a codec nor a dictionary gains anything.
            self._writer = pq.ParquetWriter(
                path,
                self._schema,
                compression={"image.bytes": "NONE"},
                use_dictionary=["video_id"],
                write_statistics=["video_id", "frame_index", "time_s"],
            )
            self._shards += 1
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
        self._shard_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0
        if self._shard_bytes >= self._settings.shard_mb * _MEGABYTE:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._shard_bytes = None, 0
