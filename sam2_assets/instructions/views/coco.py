"""COCO instances: ``instances.json`` with run-length masks at the frame's full size, boxes in frame pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.instructions.rows import Row, RowObject
from sam2_assets.instructions.views.files import image_path, json_list, write_image


def full_size_rle(found: RowObject, width: int, height: int) -> dict[str, Any]:
    """The mask as COCO RLE of the frame's size.

    A mask on a coarser grid is resized with nearest neighbours: frame pixel ``p`` takes cell ``p * grid // frame``, the
    rule by which the importer computed the box, so that the box of this mask is the box of the tables.
    """
    rle = {"size": list(found.grid), "counts": found.rle_counts}
    if found.grid == (height, width):
        return rle
    import numpy as np
    from pycocotools import mask as coco_mask

    # Rows first and column-major throughout: widening is then a copy of whole columns (1080p: 1 ms a mask, else 3).
    by_column = coco_mask.decode(rle).T
    rows = np.arange(height) * found.grid[0] // height
    columns = np.arange(width) * found.grid[1] // width
    encoded = coco_mask.encode(np.take(np.take(by_column, rows, axis=1), columns, axis=0).T)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


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
