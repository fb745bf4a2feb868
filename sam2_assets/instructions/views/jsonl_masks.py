"""One JSON line a frame with every object's label, box (frame pixels) and mask on its own grid: ``masks.jsonl``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.files import image_path, write_image


def record(row: Row) -> dict[str, Any]:
    """The frame as one record: the row of the dataset, with the picture's path in place of its bytes."""
    fields = row.as_record()
    del fields["conversations"]
    return {**fields, "image": image_path(row)}


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of frames."""
    count = 0
    with (out / "masks.jsonl").open("wb") as stream:
        for row in rows:
            write_image(row, out)
            stream.write(orjson.dumps(record(row)) + b"\n")
            count += 1
    return count
