"""Compiled loop over the compressed run lengths of many masks; ``runs`` calls it and says what the text is like."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam2_assets.compiled import compiled

Ints = npt.NDArray[np.int64]

_MOST_CHARACTERS_PER_NUMBER = 7


@compiled
def measure_texts(
    data: npt.NDArray[np.uint8], offsets: Ints, which: Ints, down: Ints, across: Ints
) -> tuple[npt.NDArray[np.bool_], Ints, Ints, Ints]:
    """Boxes, cells and pixels of masks on one grid, in frames of one size.

    Args:
        data: all texts, end to end.
        offsets: of the texts, one more than there are.
        which: the ``n`` masks to measure.
        down: first frame pixel of each row of the grid, and the frame's height.
        across: the same for columns.

    Returns:
        Whether each text is sound run lengths of this grid; ``(n, 4)`` first column, first row, and one past the last
        ones, of the grid; set cells; frame pixels that show one of them. Zeros for texts that are not sound.
    """
    masks = len(which)
    rows, columns = len(down) - 1, len(across) - 1
    height = down[rows]
    sound = np.zeros(masks, np.bool_)
    spans = np.zeros((masks, 4), np.int64)
    cells = np.zeros(masks, np.int64)
    pixels = np.zeros(masks, np.int64)
    for mask in range(masks):
        at, end = offsets[which[mask]], offsets[which[mask] + 1]
        before = older = np.int64(0)  # the runs one and two before
        count = 0
        column = row = np.int64(0)
        left, right, top, bottom = np.int64(columns), np.int64(0), np.int64(rows), np.int64(0)
        found = shown = cell = np.int64(0)
        good = at < end
        while at < end and good:
            number = shift = np.int64(0)
            more = True
            while more and good:
                good = at < end and 48 <= data[at] <= 111 and shift < 5 * _MOST_CHARACTERS_PER_NUMBER
                if good:
                    bits = np.int64(data[at]) - 48
                    number |= (bits & 0x1F) << shift
                    shift += 5
                    more = bits & 0x20 != 0
                    if not more and bits & 0x10:
                        number -= np.int64(1) << shift
                    at += 1
            run = number + older if count > 2 else number
            older, before = before, run
            cell += run
            good = good and run >= 0 and cell <= rows * columns
            if good and count % 2 == 1 and run > 0:
                found += run
                shown -= across[column] * height + (across[column + 1] - across[column]) * down[row]
                left, top = min(left, column), min(top, row)
                stop = row + run
                if stop > rows:
                    top, bottom = np.int64(0), np.int64(rows)
                else:
                    bottom = max(bottom, stop)
                # dividing takes longer than all the rest, and few runs go on in another column
                further = (stop - 1) // rows if stop > rows else np.int64(0)
                right = max(right, column + further + np.int64(1))
            if good:
                row += run
                if row >= rows:
                    row -= rows
                    column += 1
                    if row >= rows:
                        column += row // rows
                        row %= rows
                if count % 2 == 1 and run > 0:
                    shown += across[column] * height
                    if row:
                        shown += (across[column + 1] - across[column]) * down[row]
            count += 1
        sound[mask] = good and cell == rows * columns
        if sound[mask]:
            cells[mask], pixels[mask] = found, shown
            if found:
                spans[mask] = left, top, right, bottom
    return sound, spans, cells, pixels
