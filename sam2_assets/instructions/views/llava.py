"""The proposal's LLaVA format: ``llava.json`` (one list), ``llava.jsonl`` and ``manifest.json``, which lists both.

An entry has exactly the proposal's fields: ``id``, ``image``, ``conversations``, ``masks``, ``bounding_boxes``. LLaVA
itself reads the first three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.coordinates import Convention
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.dialogue import dialogue_id, in_convention, turns
from sam2_assets.instructions.views.files import JsonList, image_path, write_image
from sam2_assets.instructions.views.masks import full_size_rle

PICTURE = "<image>\n"
_FEATURES = {
    "id": "<video>/<frame>/<task>",
    "image": "path of the picture, relative to this folder",
    "conversations": "turns; boxes 0..1 in the frame padded to a centred square",
    "masks": "COCO run lengths (compressed, column-major) of every object of the frame, at the picture's size",
    "bounding_boxes": "[x, y, w, h] of the same objects, in pixels of the picture",
}


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a dialogue; ``image`` is relative to the view's folder (LLaVA's ``--image_folder``)."""
    # The same lists in every entry of the frame: they are about the frame, not about the question.
    masks = [full_size_rle(found, row.width, row.height)["counts"] for found in row.objects]
    boxes = [list(found.box) for found in row.objects]
    write = in_convention(Convention.PADDED_UNIT_SQUARE)
    return [
        {
            "id": dialogue_id(dialogue),
            "image": image_path(row),
            "conversations": [
                {"from": role, "value": text}
                for turn in turns(dialogue, write, PICTURE)
                for role, text in (("human", turn.question), ("gpt", turn.answer))
            ],
            "masks": masks,
            "bounding_boxes": boxes,
        }
        for dialogue in row.dialogues()
    ]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0
    about = {"format": "llava", "dataset_files": ["llava.json", "llava.jsonl"], "features": _FEATURES}
    before = orjson.dumps(about)[:-1] + b',"samples":'
    with (
        JsonList(out / "llava.json") as whole,
        (out / "llava.jsonl").open("wb") as lines,
        JsonList(out / "manifest.json", before, b"}\n") as manifest,
    ):
        for row in rows:
            write_image(row, out)
            for record in records(row):
                line = orjson.dumps(record)
                whole.add(line)
                lines.write(line + b"\n")
                manifest.add(orjson.dumps({"id": record["id"], "image": record["image"]}))
                count += 1
    return count
