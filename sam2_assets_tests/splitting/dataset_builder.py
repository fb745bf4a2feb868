"""Datasets with any frame times and labels, written in the real schema without building pictures frame by frame."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sam2_assets.instructions import Row, RowObject
from sam2_assets.instructions.rows import features
from sam2_assets.splitting import Source


def _picture(video: str, time: float) -> bytes:
    """A picture that only the same moment of the same video has."""
    digest = hashlib.sha256(f"{video} {time:.6f}".encode()).digest()
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (digest[0], digest[1], digest[2])).save(stream, "PNG")
    return stream.getvalue() + digest


def build_source(
    folder: Path,
    times: Sequence[float],
    *,
    video_id: str = "v0",
    partition: str | None = None,
    labels: Sequence[Sequence[str]] | None = None,
    waivers: dict[str, str] | None = None,
    shows: str | None = None,
) -> Source:
    """A source of the video ``shows`` (by default another for each id); frame ``i`` is at ``times[i]`` with objects
    ``labels[i]``, the first of them largest."""
    rows = [
        Row(
            video_id=video_id,
            frame_index=i,
            time_s=time,
            width=8,
            height=8,
            objects=tuple(
                RowObject(k, label, (0.0, 0.0, 4.0, 4.0), 16.0 - k, (8, 8), "0")
                for k, label in enumerate(labels[i] if labels else ["cat"])
            ),
            conversations=(),
            image_name=f"frame_{i:06d}.png",
            image_bytes=_picture(shows or video_id, time),
        )
        for i, time in enumerate(times)
    ]
    (folder / "data").mkdir(parents=True)
    table = pa.Table.from_pylist([row.as_record() for row in rows], schema=features().arrow_schema)
    pq.write_table(table, folder / "data/train-00000.parquet")
    reference = {"path": f"instruction_dataset/{partition or video_id}/1", "sha256": "ab" * 32}
    return Source(video_id, partition or f"clip-{video_id}", folder, reference, waivers or {})
