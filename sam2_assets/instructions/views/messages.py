"""Role-and-content messages as LLaMA-Factory reads them (with its ``dataset_info.json``), boxes 0..1000 as Qwen-VL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.coordinates import Convention
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.dialogue import dialogue_id, in_convention, turns
from sam2_assets.instructions.views.files import JsonList, image_path, write_image, write_json

_DATASET_INFO = {
    "sam2_messages": {
        "file_name": "messages.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
}


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a dialogue; ``images`` are relative to the view's folder (LLaMA-Factory's ``media_dir``)."""
    write = in_convention(Convention.THOUSANDTHS)
    return [
        {
            "messages": [
                {"role": role, "content": text}
                for turn in turns(dialogue, write, "<image>")
                for role, text in (("user", turn.question), ("assistant", turn.answer))
            ],
            "images": [image_path(row)],
            "id": dialogue_id(dialogue),
        }
        for dialogue in row.dialogues()
    ]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0
    with JsonList(out / "messages.json") as entries:
        for row in rows:
            write_image(row, out)
            for record in records(row):
                entries.add(orjson.dumps(record))
                count += 1
    write_json(out / "dataset_info.json", _DATASET_INFO)
    return count
