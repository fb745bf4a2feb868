"""COCO instances: ``instances.json`` with run-length masks at the frame's full size, boxes in frame pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.views.files import image_path, json_list, write_image
from sam2_assets.instructions.views.masks import full_size_rle


def instances(row: Row, image_id: int, first_id: int, categories: Mapping[str, int]) -> list[dict[str, Any]]:
    """One annotation an object; ``object_id`` is the track of the video, kept beside COCO's own fields."""
    return [
        {
            "id": first_id + offset,
            "image_id": image_id,
            "category_id": categories[found.label],
            "bbox": list(found.box),
            "area": found.area_px,
            "iscrowd": 0,
            "segmentation": full_size_rle(found, row.width, row.height),
            "object_id": found.object_id,
        }
        for offset, found in enumerate(row.objects)
    ]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; categories are numbered from 1 in the order of ``labels``. Returns the number of annotations."""
    categories = {label: number for number, label in enumerate(labels, start=1)}
    images: list[dict[str, Any]] = []
    count = 0

    def entries() -> Iterator[dict[str, Any]]:
        nonlocal count
        for image_id, row in enumerate(rows, start=1):
            write_image(row, out)
            images.append(
                {
                    "id": image_id,
                    "file_name": image_path(row),
                    "width": row.width,
                    "height": row.height,
                    "video_id": row.video_id,
                    "frame_index": row.frame_index,
                }
            )
            for annotation in instances(row, image_id, count + 1, categories):
                count += 1
                yield annotation

    listed = [{"id": number, "name": label, "supercategory": ""} for label, number in categories.items()]
    with (out / "instances.json").open("wb") as stream:
        # The annotations come before the images because they are written while the images are listed.
        stream.write(b'{"info":{"description":"SAM2 video annotations"},"licenses":[],"categories":')
        stream.write(orjson.dumps(listed))
        stream.write(b',\n"annotations":')
        stream.writelines(json_list(entries()))
        stream.write(b',\n"images":')
        stream.writelines(json_list(images))
        stream.write(b"}\n")
    return count
