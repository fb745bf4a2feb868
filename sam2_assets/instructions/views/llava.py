"""LLaVA's own format: ``llava.json`` (one list) and ``llava.jsonl``, boxes 0..1 in the frame padded to a square."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.coordinates import Convention
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.files import image_path, write_image


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a conversation; ``image`` is relative to the view's folder (LLaVA's ``--image_folder``)."""
    return [
        {
            "id": sample.sample_id,
            "image": image_path(row),
            "conversations": [
                {"from": "human", "value": f"<image>\n{sample.question}"},
                {"from": "gpt", "value": sample.render_answer(Convention.PADDED_UNIT_SQUARE)},
            ],
        }
        for sample in row.samples()
    ]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0
    with (out / "llava.json").open("wb") as whole, (out / "llava.jsonl").open("wb") as lines:
        whole.write(b"[")
        for row in rows:
            write_image(row, out)
            for record in records(row):
                line = orjson.dumps(record)
                whole.write((b",\n" if count else b"\n") + line)
                lines.write(line + b"\n")
                count += 1
        whole.write(b"\n]\n")
    return count
