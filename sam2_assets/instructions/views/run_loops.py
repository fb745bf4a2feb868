"""Compiled loop that enlarges a mask without decoding it; ``masks`` calls it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam2_assets.compiled import compiled
from sam2_assets.exports.run_loops import MOST_BYTES_A_RUN, cut_at_lines, write_compressed

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@compiled
def _read_compressed(text: Bytes, cells: int) -> Ints:
    """Run lengths of COCO's text; none at all if it is not one of ``cells`` cells."""
    lengths = np.empty(len(text), np.int64)
    refused = np.empty(0, np.int64)
    count = at = 0
    total = np.int64(0)
    while at < len(text):
        number = np.int64(0)
        shift = 0
        more = True
        while more:
            if at == len(text) or not 48 <= text[at] <= 111 or shift == 5 * MOST_BYTES_A_RUN:
                return refused
            bits = np.int64(text[at]) - 48
            number |= (bits & 0x1F) << shift
            shift += 5
            at += 1
            more = bits & 0x20 != 0
            if not more and bits & 0x10:
                number -= np.int64(1) << shift
        if count > 2:
            number += lengths[count - 2]
        total += number
        if number < 0 or total > cells:
            return refused
        lengths[count] = number
        count += 1
    return lengths[:count] if total == cells else refused


@compiled
def enlarged(text: Bytes, down: Ints, right: Ints) -> Bytes:
    """COCO's text of a mask, enlarged to the frame.

    Args:
        text: COCO's text on the mask's grid, column-major.
        down: first frame pixel of each row of the grid, and the frame's height.
        right: the same for columns.

    Returns:
        COCO's text at the frame's size; empty if ``text`` is not run lengths of this grid.
    """
    rows, columns = len(down) - 1, len(right) - 1
    height = down[rows]
    lengths = _read_compressed(text, rows * columns)
    if len(lengths) == 0:
        return np.empty(0, np.uint8)
    ends = np.empty(2 * (len(lengths) + columns), np.int64)
    lines = np.empty(len(lengths) + columns, np.int64)
    count = cut_at_lines(lengths, rows, ends, lines)
    pieces = np.int64(0)
    for k in range(count):
        pieces += right[lines[k] + 1] - right[lines[k]]
    runs = np.empty(2 * pieces + 1, np.int64)
    n = k = 0
    last = np.int64(0)  # one past the last set pixel
    while k < count:
        after = k + 1
        while after < count and lines[after] == lines[k]:
            after += 1
        for column in range(right[lines[k]], right[lines[k] + 1]):
            for piece in range(k, after):
                low, high = column * height + down[ends[2 * piece]], column * height + down[ends[2 * piece + 1]]
                # a grid finer than the frame has cells that no pixel shows
                if low == high:
                    continue
                if n and low == last:
                    runs[n - 1] += high - low
                else:
                    runs[n], runs[n + 1] = low - last, high - low
                    n += 2
                last = high
        k = after
    if last < height * right[columns]:
        runs[n] = height * right[columns] - last
        n += 1
    written = np.empty(n * MOST_BYTES_A_RUN, np.uint8)
    return written[: write_compressed(runs[:n], written, 0)]
