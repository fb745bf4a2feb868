"""Masks at the frame's full size, for tools that know no other grid."""

from __future__ import annotations

from typing import Any

from sam2_assets.instructions.rows import RowObject


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
