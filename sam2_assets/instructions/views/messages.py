"""Role-and-content messages as LLaMA-Factory reads them (with its ``dataset_info.json``), boxes 0..1000 as Qwen-VL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sam2_assets.coordinates import Convention
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.files import image_path, json_list, write_image, write_json

_DATASET_INFO = {
    "sam2_messages": {
        "file_name": "messages.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
}


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a conversation; ``images`` are relative to the view's folder (LLaMA-Factory's ``media_dir``)."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"<image>{sample.question}"},
                {"role": "assistant", "content": sample.render_answer(Convention.THOUSANDTHS)},
            ],
            "images": [image_path(row)],
            "id": sample.sample_id,
        }
        for sample in row.samples()
    ]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0

    def entries() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in rows:
            write_image(row, out)
            for record in records(row):
                count += 1
                yield record

    with (out / "messages.json").open("wb") as stream:
        stream.writelines(json_list(entries()))
        stream.write(b"\n")
    write_json(out / "dataset_info.json", _DATASET_INFO)
    return count
