"""ms-swift's grounding format: ``grounding.jsonl``, boxes in frame pixels that the trainer scales for its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.sample import box_marker
from sam2_assets.instructions.views.files import image_path, write_image


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a conversation; the n-th ``<bbox>`` of the answer is ``objects.bbox[n]``, ``[x0, y0, x1, y1]``."""
    entries = []
    for sample in row.samples():
        answer = sample.answer
        for index in range(len(sample.objects)):
            answer = answer.replace(box_marker(index), "<bbox>")
        named = sample.answered_objects()
        boxes = [[o.box[0], o.box[1], o.box[0] + o.box[2], o.box[1] + o.box[3]] for o in named]
        entries.append(
            {
                "messages": [
                    {"role": "user", "content": f"<image>{sample.question}"},
                    {"role": "assistant", "content": answer},
                ],
                "images": [image_path(row)],
                "objects": {"ref": [], "bbox": boxes},
                "id": sample.sample_id,
            }
        )
    return entries


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0
    with (out / "grounding.jsonl").open("wb") as stream:
        for row in rows:
            write_image(row, out)
            for record in records(row):
                stream.write(orjson.dumps(record) + b"\n")
                count += 1
    return count
