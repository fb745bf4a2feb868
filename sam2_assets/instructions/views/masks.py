"""Masks at the frame's full size, for tools that know no other grid."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.rows import RowObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@lru_cache(maxsize=16)
def _edges(cells: int, pixels: int) -> NDArray[np.int64]:
    # The importer needs OpenCV, which a server that answers questions does not have.
    from sam2_assets.exports.masks import pixel_edges

    return pixel_edges(cells, pixels)


def full_size_rle(found: RowObject, width: int, height: int) -> dict[str, Any]:
    """The mask as COCO RLE of the frame's size.

    A mask on a coarser grid is enlarged with nearest neighbours (``exports.masks.pixel_edges``), as the importer did
    to compute the box: the box of this mask is the box of the tables. It stays run lengths: decoding, widening and
    encoding took 2 ms of processor time a mask at 720p.

    Raises:
        DatasetError: ``mask_runs``: the counts are not those of a mask on the grid.
    """
    size = [height, width]
    if found.grid == (height, width):
        return {"size": size, "counts": found.rle_counts}
    import numpy as np

    from sam2_assets.instructions.views.run_loops import enlarged  # compiled: not needed to load the definitions

    text = np.frombuffer(found.rle_counts.encode("ascii", "replace"), np.uint8)
    written = enlarged(text, _edges(found.grid[0], height), _edges(found.grid[1], width))
    if not len(written):
        raise DatasetError(
            "mask_runs",
            f"the counts are not run lengths of a mask on a grid of {found.grid[0]} x {found.grid[1]}",
            field="objects.rle.counts",
            value=found.rle_counts[:80],
            remedy="The dataset is damaged: materialize instruction_dataset again.",
        )
    return {"size": size, "counts": written.tobytes().decode("ascii")}
