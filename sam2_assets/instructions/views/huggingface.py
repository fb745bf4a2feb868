"""The folder of ``save_to_disk``, for ``datasets.load_from_disk``: one row a frame, with the proposal's columns.

Arrow streams as ``datasets`` writes them, but group by group and with a fingerprint that hangs on the data alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sam2_assets.coordinates import Convention
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.dialogue import in_convention, turns
from sam2_assets.instructions.views.files import write_json
from sam2_assets.instructions.views.llava import PICTURE
from sam2_assets.instructions.views.masks import full_size_rle

if TYPE_CHECKING:
    from datasets import Features

_GROUP_BYTES = 32_000_000
_DATA = "data-00000-of-00001.arrow"


def features() -> Features:
    """The proposal's columns (``image``, ``conversations``, ``masks``, ``bounding_boxes``) and which frame it is."""
    from datasets import Features, Image, List, Value

    text = Value("string")
    return Features(
        {
            "id": text,
            "image": Image(),
            "conversations": List({"from": text, "value": text}),
            "masks": List(text),
            "bounding_boxes": List(List(Value("float64"))),
            "labels": List(text),
            "video_id": text,
            "frame_index": Value("int64"),
            "timestamp_sec": Value("float64"),
            "width": Value("int32"),
            "height": Value("int32"),
        }
    )


def record(row: Row) -> dict[str, Any]:
    """The frame with all its conversations as one dialogue."""
    spoken = turns(row.samples(), in_convention(Convention.PADDED_UNIT_SQUARE), PICTURE) if row.conversations else []
    return {
        "id": f"{row.video_id}/{row.frame_index}",
        "image": {"bytes": row.image_bytes, "path": row.image_name},
        "conversations": [
            {"from": role, "value": text}
            for turn in spoken
            for role, text in (("human", turn.question), ("gpt", turn.answer))
        ],
        "masks": [full_size_rle(found, row.width, row.height)["counts"] for found in row.objects],
        "bounding_boxes": [list(found.box) for found in row.objects],
        "labels": [found.label for found in row.objects],
        "video_id": row.video_id,
        "frame_index": row.frame_index,
        "timestamp_sec": row.time_s,
        "width": row.width,
        "height": row.height,
    }


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of frames. At most one group of pictures is in memory."""
    from datasets import DatasetInfo

    columns = features()
    schema: pa.Schema = columns.arrow_schema
    digest = hashlib.sha256()
    count = 0
    pending: list[dict[str, Any]] = []
    size = 0
    with pa.OSFile(str(out / _DATA), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for row in rows:
            pending.append(record(row))
            digest.update(row.image_bytes)
            digest.update(repr((row.frame_index, row.conversations, row.objects)).encode())
            size += len(row.image_bytes)
            count += 1
            if size >= _GROUP_BYTES:
                stream.write_table(pa.Table.from_pylist(pending, schema=schema))
                pending, size = [], 0
        if pending:
            stream.write_table(pa.Table.from_pylist(pending, schema=schema))
    write_json(out / "dataset_info.json", asdict(DatasetInfo(features=columns)))
    state: dict[str, Any] = {
        "_data_files": [{"filename": _DATA}],
        "_fingerprint": digest.hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": "train",
    }
    write_json(out / "state.json", state)
    return count
