"""Compiled loops that read run lengths from text and measure masks; ``runs`` and ``masks`` call them.

Masks are taken line by line as their run lengths walk them: rows of a row-major mask, columns of a column-major one.
``along`` is the length of a line, ``across`` the number of lines. Set cells are held as ``ends``, two numbers an
interval (first cell, one past the last) on one line, sorted, never touching.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam2_assets.compiled import compiled

Ints = npt.NDArray[np.int64]
Short = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_ZERO = 48
MOST_BYTES_A_RUN = 7
"""Of COCO's text: 35 bits."""


@compiled
def read_runs(data: Bytes, ends_of_texts: Ints, most_digits: int) -> tuple[Ints, Ints, bool]:
    """Run lengths in ``data``, texts joined by one space each.

    Returns:
        All run lengths; ``n + 1`` offsets of each text's first; whether all texts are sound: only digits and white
        space, at least one number each, none of more than ``most_digits`` digits. If not, the rest means nothing.
    """
    lengths = np.empty(len(data) // 2 + 1, np.int64)
    first = np.zeros(len(ends_of_texts) + 1, np.int64)
    count = 0
    begin = value = np.int64(0)
    for text in range(len(ends_of_texts)):
        value = np.int64(0)
        digits = 0
        for i in range(begin, min(ends_of_texts[text], len(data))):
            code = np.int64(data[i])
            if 48 <= code <= 57:
                value = value * 10 + (code - 48)
                digits += 1
                if digits > most_digits:
                    return lengths, first, False
            elif code == 32 or 9 <= code <= 13:
                if digits:
                    lengths[count] = value
                    count += 1
                value = np.int64(0)
                digits = 0
            else:
                return lengths, first, False
        if digits:
            lengths[count] = value
            count += 1
        if count == first[text]:
            return lengths, first, False
        first[text + 1] = count
        begin = ends_of_texts[text]
    return lengths[:count], first, True


@compiled
def set_neighbours(lengths: Ints, stride: int) -> tuple[int, int]:
    """Of the set cells of one mask that have a cell ``stride`` further on: those with that cell set, and all."""
    cells = lengths.sum()
    both = count = np.int64(0)
    other = begin = np.int64(0)  # of the run that may hold what is ``stride`` further on: its number, its first cell
    cell = np.int64(0)
    for run in range(len(lengths)):
        end = cell + lengths[run]
        if run % 2 == 1:
            low, high = cell + stride, min(end + stride, cells)
            count += max(high - low, 0)
            while other < len(lengths) and begin + lengths[other] <= low:
                begin += lengths[other]
                other += 1
            after, from_cell = other, begin
            while after < len(lengths) and from_cell < high:
                upto = from_cell + lengths[after]
                if after % 2 == 1:
                    both += max(min(upto, high) - max(from_cell, low), 0)
                from_cell = upto
                after += 1
        cell = end
    return int(both), int(count)


@compiled
def cut_at_lines(lengths: Ints, along: int, ends: Ints, lines: Ints) -> int:
    """Fill ``ends`` and ``lines`` with the intervals of set cells of one mask; returns how many."""
    count = 0
    line = cell = 0  # where the next run begins
    for run in range(len(lengths)):
        left = lengths[run]
        if run % 2 == 0:
            cell += left
            if cell >= along:
                # nearly always the next line: dividing takes longer than all the rest
                cell -= along
                line += 1
                if cell >= along:
                    line += cell // along
                    cell %= along
            continue
        while left > 0:
            stop = min(cell + left, along)
            left -= stop - cell
            if count and lines[count - 1] == line and ends[2 * count - 1] == cell:
                ends[2 * count - 1] = stop
            else:
                ends[2 * count], ends[2 * count + 1] = cell, stop
                lines[count] = line
                count += 1
            cell = stop
            if cell == along:
                cell = 0
                line += 1
    return count


@compiled
def _box_and_area(ends: Ints, lines: Ints, along: Ints, across: Ints, box: Floats) -> float:
    """Fill in ``box`` (along, across, its two sides), return the area; given the first pixels of cells on both axes."""
    area = 0
    low = top = np.int64(2**62)
    high = bottom = np.int64(0)
    for i in range(len(lines)):
        a, b = along[ends[2 * i]], along[ends[2 * i + 1]]
        c, d = across[lines[i]], across[lines[i] + 1]
        # a grid finer than the frame has cells that no pixel shows
        if b > a and d > c:
            area += (b - a) * (d - c)
            low, high = min(low, a), max(high, b)
            top, bottom = min(top, c), max(bottom, d)
    if area:
        box[0], box[1], box[2], box[3] = low, top, high - low, bottom - top
    return float(area)


@compiled
def _changes_between_lines(ends: Ints, lines: Ints, changes: Ints, per_place: Ints, low: int) -> int:
    """Where a line differs from the line before, for all lines of one mask and the empty one after the last.

    Args:
        ends: of the mask's intervals.
        lines: of the mask's intervals, at least one.
        changes: filled with line, first place, one past the last place, three numbers a stretch.
        per_place: zeros, one for each place of a line from ``low`` on to one past the last that is set; filled with the
            number of changes there.
        low: the first place of a line that is set in any of them.

    Returns:
        The number of stretches.
    """
    count = 0
    before = here = after = 0
    for line in range(lines[0], lines[-1] + 2):
        while after < 2 * len(lines) and lines[after // 2] == line:
            after += 2
        i, j = before, here
        if here == before + 2 and after == here + 2 and ends[i] <= ends[j + 1] and ends[j] <= ends[i + 1]:
            # one interval on either line, as nearly everywhere: without a branch, since no processor foresees which
            # end comes first; a stretch of no places is overwritten by the next
            for side in range(2):
                low_end, high_end = min(ends[i + side], ends[j + side]), max(ends[i + side], ends[j + side])
                changes[3 * count], changes[3 * count + 1], changes[3 * count + 2] = line, low_end, high_end
                per_place[low_end - low] += 1
                per_place[high_end - low] -= 1
                count += 1 if high_end > low_end else 0
            before, here = here, after
            continue
        begin = np.int64(-1)
        while i < here or j < after:
            if i < here and j < after and ends[i] == ends[j]:
                i += 1
                j += 1
                continue
            if j == after or (i < here and ends[i] < ends[j]):
                place = ends[i]
                i += 1
            else:
                place = ends[j]
                j += 1
            if begin < 0:
                begin = place
            else:
                changes[3 * count], changes[3 * count + 1], changes[3 * count + 2] = line, begin, place
                per_place[begin - low] += 1
                per_place[place - low] -= 1
                count += 1
                begin = np.int64(-1)
        before, here = here, after
    total = np.int64(0)
    for place in range(len(per_place)):
        total += per_place[place]
        per_place[place] = total
    return count


@compiled
def _runs_across(
    changes: Ints, count: int, per_place: Ints, low: int, across: int, cells: int, at: Short, runs: Ints
) -> int:
    """Fill ``runs`` with the run lengths of the mask walked across its lines; returns how many.

    ``per_place``, of places from ``low`` on, is used up. ``at`` has room for all changes.
    """
    total = np.int64(0)
    for place in range(len(per_place)):
        total, per_place[place] = total + per_place[place], total
    for k in range(count):
        for place in range(changes[3 * k + 1] - low, changes[3 * k + 2] - low):
            at[per_place[place]] = changes[3 * k]
            per_place[place] += 1
    # the changes of a place now end where per_place says; those of the next begin there
    n = begin = 0
    last = np.int64(0)  # the newest change that is certain
    if changes[3 * count - 3] < across:
        # nothing is set on the last line: no change lies where the next place begins
        for place in range(len(per_place) - 1):
            first = (low + place) * across
            for k in range(begin, per_place[place]):
                change = first + at[k]
                runs[n] = change - last
                last = change
                n += 1
            begin = per_place[place]
        runs[n] = cells - last
        return n + 1
    pending = np.int64(-1)  # a change that one at the same cell would undo
    for place in range(len(per_place) - 1):
        for k in range(begin, per_place[place]):
            change = (low + place) * across + at[k]
            if change == pending:
                pending = np.int64(-1)
                continue
            if pending >= 0:
                runs[n] = pending - last
                last = pending
                n += 1
            pending = change
        begin = per_place[place]
    if pending >= 0:
        runs[n] = pending - last
        last = pending
        n += 1
    if last < cells or n == 0:
        runs[n] = cells - last
        n += 1
    return n


@compiled
def _merged_runs(lengths: Ints, cells: int, runs: Ints) -> int:
    """Fill ``runs`` with ``lengths`` without zero runs inside and behind; returns how many."""
    n = 0
    is_set = False
    current = cell = np.int64(0)
    for run in range(len(lengths)):
        if lengths[run] == 0:
            continue
        if (run % 2 == 1) != is_set:
            runs[n] = current
            n += 1
            current = np.int64(0)
            is_set = not is_set
        current += lengths[run]
        cell += lengths[run]
    runs[n] = current
    return n + 1


@compiled
def write_compressed(runs: Ints, text: Bytes, at: int) -> int:
    """Write run lengths as ``rleToString`` of the COCO API does, from ``text[at]`` on; returns where it ended."""
    for i in range(len(runs)):
        number = runs[i] - (runs[i - 2] if i > 2 else 0)
        if -16 <= number < 16:
            text[at] = _ZERO + (number & 0x1F)
            at += 1
            continue
        more = True
        while more:
            bits = number & 0x1F
            number >>= 5
            more = number != -1 if bits & 0x10 else number != 0
            text[at] = _ZERO + (bits | 0x20 if more else bits)
            at += 1
    return at


@compiled
def measure_masks(
    lengths: Ints, first: Ints, which: Ints, row_major: bool, along: Ints, across: Ints, most_text: int
) -> tuple[Floats, Floats, Bytes, Ints]:
    """Boxes, areas and COCO texts of masks on one grid, until there is enough text.

    Args:
        lengths: run lengths of all masks, each summing to the grid's cells.
        first: offsets into ``lengths``, one more than there are masks.
        which: the ``n`` masks to measure.
        row_major: how they walk the grid.
        along: first frame pixel of each cell along a line, and the end.
        across: the same for each line.
        most_text: no further mask is measured once there are so many bytes of text.

    Returns:
        Of the first ``m`` of them, at least one: boxes ``(m, 4)`` along, across and their sides; areas ``(m,)``; all
        texts; ``m + 1`` offsets of the texts.
    """
    masks = len(which)
    cells_along, cells_across = len(along) - 1, len(across) - 1
    cells = cells_along * cells_across
    most = room = np.int64(0)
    for mask in range(masks):
        size = first[which[mask] + 1] - first[which[mask]]
        most = max(most, size)
        room += size
    ends = np.empty(2 * (most + cells_across), np.int64)
    lines = np.empty(most + cells_across, np.int64)
    changes = np.empty(6 * (most + cells_across), np.int64)
    runs = np.empty(most + 2, np.int64)
    at_lines = np.empty(most + 2, np.int32)
    places = np.zeros(cells_along + 1, np.int64)
    boxes = np.zeros((masks, 4), np.float64)
    areas = np.zeros(masks, np.float64)
    text = np.empty(2 * room + 64, np.uint8)
    offsets = np.zeros(masks + 1, np.int64)
    for mask in range(masks):
        own = lengths[first[which[mask]] : first[which[mask] + 1]]
        count = cut_at_lines(own, cells_along, ends, lines)
        areas[mask] = _box_and_area(ends[: 2 * count], lines[:count], along, across, boxes[mask])
        if row_major and count:
            low, high = ends[0], ends[1]
            for i in range(1, count):
                low, high = min(low, ends[2 * i]), max(high, ends[2 * i + 1])
            # most masks cover a small part of a line: nothing is done for the rest of it
            per_place = places[low : high + 1]
            per_place[:] = 0
            stretches = _changes_between_lines(ends[: 2 * count], lines[:count], changes, per_place, low)
            needed = per_place.sum() + 2
            if needed > len(runs):
                runs = np.empty(2 * needed, np.int64)
                at_lines = np.empty(2 * needed, np.int32)
            n = _runs_across(changes, stretches, per_place, low, cells_across, cells, at_lines, runs)
        else:
            n = _merged_runs(own, cells, runs)
        at = offsets[mask]
        if at + n * MOST_BYTES_A_RUN > len(text):
            longer = np.empty(2 * len(text) + n * MOST_BYTES_A_RUN, np.uint8)
            longer[:at] = text[:at]
            text = longer
        offsets[mask + 1] = write_compressed(runs[:n], text, at)
        if offsets[mask + 1] >= most_text:
            masks = mask + 1
            break
    return boxes[:masks], areas[:masks], text[: offsets[masks]], offsets[: masks + 1]
