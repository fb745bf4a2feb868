"""Compiled loops over the vertical runs of masks: their outlines, their pieces, and the cells that two have in common.

``shapes`` and ``masks`` call them. A mask is taken out of its COCO text into vertical runs of set cells (``column``,
``top``, one past the last row ``bottom``), sorted, which never touch each other within a column.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam2_assets.compiled import compiled

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@compiled
def _intervals(data: Bytes, at: int, end: int, ends: Ints) -> int:
    """Fill ``ends`` with first and one past the last cell of each run of set cells; returns how many runs.

    The text ``data[at:end]`` is sound. Runs of no cells in between are left out, so that no two intervals touch.
    """
    before = older = cell = np.int64(0)
    count = found = 0
    while at < end:
        number = shift = np.int64(0)
        more = True
        while more:
            bits = np.int64(data[at]) - 48
            number |= (bits & 0x1F) << shift
            shift += 5
            more = bits & 0x20 != 0
            if not more and bits & 0x10:
                number -= np.int64(1) << shift
            at += 1
        run = number + older if count > 2 else number
        older, before = before, run
        if count % 2 == 1 and run > 0:
            if found and ends[2 * found - 1] == cell:
                ends[2 * found - 1] = cell + run
            else:
                ends[2 * found], ends[2 * found + 1] = cell, cell + run
                found += 1
        cell += run
        count += 1
    return found


@compiled
def _vertical(data: Bytes, at: int, end: int, rows: int, column: Ints, top: Ints, bottom: Ints) -> int:
    """Cut the set cells of the sound text ``data[at:end]`` into vertical runs; returns how many there are."""
    before = older = here = row = np.int64(0)
    height = np.int64(rows)
    count = n = 0
    while at < end:
        number = shift = np.int64(0)
        more = True
        while more:
            bits = np.int64(data[at]) - 48
            number |= (bits & 0x1F) << shift
            shift += 5
            more = bits & 0x20 != 0
            if not more and bits & 0x10:
                number -= np.int64(1) << shift
            at += 1
        run = number + older if count > 2 else number
        older, before = before, run
        if count % 2 == 1:
            while run > 0:
                high = min(row + run, height)
                run -= high - row
                if n and column[n - 1] == here and bottom[n - 1] == row:
                    bottom[n - 1] = high
                else:
                    column[n], top[n], bottom[n] = here, row, high
                    n += 1
                row = high
                if row == height:
                    row = np.int64(0)
                    here += 1
        else:
            row += run
            if row >= height:
                # nearly always the next column: dividing takes longer than all the rest
                row -= height
                here += 1
                if row >= height:
                    here += row // height
                    row %= height
        count += 1
    return n


@compiled
def _every_second(column: Ints, top: Ints, bottom: Ints, n: int, across: Ints, low: Ints, high: Ints) -> int:
    """The vertical runs of the mask sampled at the cells whose row and column are even; returns how many."""
    count = 0
    for k in range(n):
        a, b = (top[k] + 1) // 2, (bottom[k] + 1) // 2
        if column[k] % 2 == 1 or b <= a:
            continue
        here = column[k] // 2
        if count and across[count - 1] == here and high[count - 1] == a:
            high[count - 1] = b
        else:
            across[count], low[count], high[count] = here, a, b
            count += 1
    return count


@compiled
def _outline(column: Ints, top: Ints, bottom: Ints, n: int) -> int:
    """Perimeter in sides of cells: of ``k`` cells with ``c`` shared sides, ``4 k - 2 c``."""
    cells = beside = np.int64(0)
    before = here = 0  # the runs of the column before begin, and end
    k = 0
    while k < n:
        after = k
        while after < n and column[after] == column[k]:
            cells += bottom[after] - top[after]
            after += 1
        if here > before and column[before] == column[k] - 1:
            i, j = before, k
            while i < here and j < after:
                shared = min(bottom[i], bottom[j]) - max(top[i], top[j])
                if shared > 0:
                    beside += shared
                if bottom[i] <= bottom[j]:
                    i += 1
                else:
                    j += 1
        before, here = k, after
        k = after
    return int(2 * n + 2 * (cells - beside))


@compiled
def _root(parent: Ints, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@compiled
def _outline_and_joins(column: Ints, top: Ints, bottom: Ints, n: int, parent: Ints, result: Ints) -> None:
    """The perimeter as of ``_outline``, and what is joined to what.

    Args:
        column: of the runs.
        top: of the runs.
        bottom: of the runs.
        n: number of runs.
        parent: filled: runs of neighbouring columns that share a row or a corner get the first of them as root.
        result: the first number is filled with the perimeter, the third with the number of pieces, the fifth with that
            of cells.
    """
    cells = beside = np.int64(0)
    pieces = n
    before = here = 0  # the runs of the column before begin, and end
    k = 0
    while k < n:
        after = k
        while after < n and column[after] == column[k]:
            cells += bottom[after] - top[after]
            parent[after] = after
            after += 1
        if here > before and column[before] == column[k] - 1:
            i, j = before, k
            while i < here and j < after:
                shared = min(bottom[i], bottom[j]) - max(top[i], top[j])
                if shared >= 0:
                    beside += shared
                    a, b = _root(parent, i), _root(parent, j)
                    if a != b:
                        parent[max(a, b)] = min(a, b)
                        pieces -= 1
                if bottom[i] <= bottom[j]:
                    i += 1
                else:
                    j += 1
        before, here = k, after
        k = after
    result[0], result[2], result[4] = 2 * n + 2 * (cells - beside), pieces, cells


@compiled
def _pieces(
    column: Ints, top: Ints, bottom: Ints, n: int, parent: Ints, facts: Ints, crumb_cells: float, result: Ints
) -> None:
    """Fill in ``result`` from the fourth number on (see ``measure_outlines``), but for the fifth.

    Args:
        column: of the runs.
        top: of the runs.
        bottom: of the runs.
        n: number of runs.
        parent: as of ``_outline_and_joins``.
        facts: room for five numbers a run: cells, and first and last column and row of the piece whose root it is.
        crumb_cells: a piece with fewer cells is a crumb.
        result: of the mask.
    """
    for k in range(n):
        facts[5 * k] = 0
    for k in range(n):
        root = _root(parent, k)
        at = 5 * root
        if facts[at] == 0:
            facts[at + 1], facts[at + 2], facts[at + 3], facts[at + 4] = column[k], top[k], column[k] + 1, bottom[k]
        else:
            facts[at + 1], facts[at + 2] = min(facts[at + 1], column[k]), min(facts[at + 2], top[k])
            facts[at + 3], facts[at + 4] = max(facts[at + 3], column[k] + 1), max(facts[at + 4], bottom[k])
        facts[at] += bottom[k] - top[k]
    crumbs = np.int64(0)
    largest = second = -1
    for k in range(n):
        if parent[k] != k:
            continue
        cells = facts[5 * k]
        if cells < crumb_cells:
            crumbs += 1
        if largest < 0 or cells > facts[5 * largest]:
            largest, second = k, largest
        elif second < 0 or cells > facts[5 * second]:
            second = k
    result[3] = crumbs
    if second >= 0:
        a, b = 5 * largest, 5 * second
        result[5] = facts[b]
        result[6] = max(facts[a + 1] - facts[b + 3], facts[b + 1] - facts[a + 3], 0)
        result[7] = max(facts[a + 2] - facts[b + 4], facts[b + 2] - facts[a + 4], 0)


@compiled
def measure_outlines(
    data: Bytes, offsets: Ints, which: Ints, rows: int, columns: int, crumb_cells: float, results: Ints
) -> None:
    """Outlines and pieces of masks on one grid.

    Args:
        data: sound COCO texts of masks, end to end.
        offsets: of the texts.
        which: the masks to measure.
        rows: of the grid.
        columns: of the grid.
        crumb_cells: a piece with fewer cells is a crumb.
        results: zeros, ``(len(which), 8)``; filled with the perimeter on the grid and at every second cell; pieces,
            crumbs, cells; cells of the second largest piece (of pieces alike the first), and by how many columns and
            rows the boxes of the two largest are apart.
    """
    longest = np.int64(0)
    for k in range(len(which)):
        longest = max(longest, offsets[which[k] + 1] - offsets[which[k]])
    # every second run is set, a character is at least one run, and each column's end cuts at most one run
    most = longest // 2 + 1 + columns
    column, top, bottom = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    across, low, high = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    parent, facts = np.empty(most, np.int64), np.empty(5 * most, np.int64)
    for k in range(len(which)):
        result = results[k]
        n = _vertical(data, offsets[which[k]], offsets[which[k] + 1], rows, column, top, bottom)
        _outline_and_joins(column, top, bottom, n, parent, result)
        sampled = _every_second(column, top, bottom, n, across, low, high)
        result[1] = _outline(across, low, high, sampled)
        if result[2] == 1:
            result[3] = result[4] < crumb_cells
        else:
            _pieces(column, top, bottom, n, parent, facts, crumb_cells, result)


@compiled
def set_intervals(data: Bytes, offsets: Ints, which: Ints) -> tuple[Ints, Ints]:
    """The runs of set cells of the masks ``which``: all ends (first cell, one past the last), and ``n + 1`` offsets."""
    room = np.int64(2)
    for k in range(len(which)):
        room += offsets[which[k] + 1] - offsets[which[k]] + 2
    ends = np.empty(room, np.int64)
    first = np.zeros(len(which) + 1, np.int64)
    for k in range(len(which)):
        count = _intervals(data, offsets[which[k]], offsets[which[k] + 1], ends[first[k] :])
        first[k + 1] = first[k] + 2 * count
    return ends[: first[len(which)]], first


@compiled
def common_cells(ends: Ints, first: Ints, pairs: Ints) -> Ints:
    """Set cells that two masks have in common, for all ``(n, 2)`` pairs of masks of ``set_intervals``."""
    found = np.zeros(len(pairs), np.int64)
    for k in range(len(pairs)):
        i, j = first[pairs[k, 0]], first[pairs[k, 1]]
        last_i, last_j = first[pairs[k, 0] + 1], first[pairs[k, 1] + 1]
        shared = np.int64(0)
        while i < last_i and j < last_j:
            shared += max(min(ends[i + 1], ends[j + 1]) - max(ends[i], ends[j]), 0)
            if ends[i + 1] <= ends[j + 1]:
                i += 2
            else:
                j += 2
        found[k] = shared
    return found
