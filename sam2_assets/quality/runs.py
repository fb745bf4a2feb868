"""Reads the run-length text of a mask without decoding the mask: are the runs sound, what box and area do they span.

The text is COCO's compressed form (``rleFrString`` in ``maskApi.c`` of the COCO API): six-bit characters from ``0``,
five data bits each, low ones first, the sixth says that another follows, the last one's top bit is the sign; from the
fourth number on a number is a difference to the one two before. ``pycocotools`` believes any such text, and reads
beyond the mask if the runs do not add up, which is why it only sees masks that passed through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sam2_assets.coordinates import Box
from sam2_assets.exports.masks import pixel_edges as _pixel_edges
from sam2_assets.quality.texts import Texts
from sam2_assets.threads import in_stretches

pixel_edges = lru_cache(maxsize=16)(_pixel_edges)
_MOST_CHARACTERS_PER_NUMBER = 7
"""35 bits: more than any run of a mask that fits into memory."""
_LONGEST = 2**32 - 1
"""COCO holds a run in 32 bits."""
_BYTES_A_THREAD = 500_000
"""Takes some milliseconds."""
_EXACT = 2**53
"""Integers up to here are exact as floats."""


class RunsError(ValueError):
    """The text is not run lengths of a mask on this grid; the message says why. Never leaves this package."""


def decode_runs(counts: str) -> NDArray[np.int64]:
    """The run lengths, zeros first, that a compressed text stands for.

    Raises:
        RunsError: a character that cannot occur, a number that is cut off or too long, or a run that is negative or
            longer than COCO can hold.
    """
    try:
        codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError as error:
        raise RunsError(f"character {error.object[error.start]!r} cannot occur in run lengths") from error
    if codes.size == 0:
        raise RunsError("the text is empty")
    outside = (codes < 0) | (codes > 63)
    if outside.any():
        raise RunsError(f"character {counts[int(outside.argmax())]!r} cannot occur in run lengths")
    last = (codes & 0x20) == 0
    if not last[-1]:
        raise RunsError("the last run length is cut off")
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if int((ends - starts).max()) >= _MOST_CHARACTERS_PER_NUMBER:
        raise RunsError("a run length has too many digits")
    shift = 5 * (np.arange(codes.size) - np.repeat(starts, ends - starts + 1))
    numbers = np.add.reduceat((codes & 0x1F) << shift, starts)
    negative = (codes[ends] & 0x10) != 0
    numbers -= np.where(negative, np.int64(1) << (shift[ends] + 5), 0)
    runs = numbers.copy()
    runs[1::2] = np.cumsum(numbers[1::2])
    runs[2::2] = np.cumsum(numbers[2::2])
    if int(runs.min()) < 0:
        raise RunsError(f"run {int(runs.argmin())} has the negative length {int(runs.min())}")
    if int(runs.max()) > _LONGEST:
        raise RunsError(f"run {int(runs.argmax())} has the length {int(runs.max())}, more than 32 bits")
    return runs


@dataclass(frozen=True)
class MaskMeasure:
    """What a mask spans, in frame pixels.

    Args:
        box: ``(x, y, w, h)`` of the mask enlarged to the frame by nearest neighbour (``exports.masks.pixel_edges``).
        area_nearest: pixels of that enlarged mask; 0 also if no pixel of the frame shows one of its cells.
        area_scaled: cells of the mask times the frame pixels that a cell stands for on average.
    """

    box: Box
    area_nearest: float
    area_scaled: float

    @property
    def empty(self) -> bool:
        """No pixel of the frame shows the mask."""
        return self.area_nearest == 0


def measure_mask(counts: str, grid: tuple[int, int], frame: tuple[int, int]) -> MaskMeasure:
    """Box and area of a mask.

    Args:
        counts: COCO compressed run lengths, column-major.
        grid: ``(rows, columns)`` of the mask, which spans the whole frame.
        frame: ``(width, height)`` of the frame, pixels.

    Raises:
        RunsError: the runs are not sound, or do not add up to the grid.
    """
    rows, columns = grid
    width, height = frame
    runs = decode_runs(counts)
    total = int(runs.sum())
    if total != rows * columns:
        raise RunsError(f"the runs add up to {total}, the grid {rows} x {columns} has {rows * columns} cells")
    edges = np.cumsum(runs)
    ends = edges[1::2]
    starts = edges[0::2][: ends.size]
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    if starts.size == 0:
        return MaskMeasure((0.0, 0.0, 0.0, 0.0), 0.0, 0.0)
    first_column, last_column = starts // rows, (ends - 1) // rows
    if bool((first_column != last_column).any()):
        top, bottom = 0, rows
    else:
        top, bottom = int((starts % rows).min()), int(((ends - 1) % rows).max()) + 1
    cells = int((ends - starts).sum())
    scaled = cells * (width * height) / (rows * columns)
    before = _pixels_before_cell(rows, columns, width, height)
    nearest = int((before[ends] - before[starts]).sum())
    if nearest == 0:
        return MaskMeasure((0.0, 0.0, 0.0, 0.0), 0.0, scaled)
    across, down = pixel_edges(columns, width), pixel_edges(rows, height)
    x0, x1 = float(across[first_column[0]]), float(across[last_column[-1] + 1])
    y0, y1 = float(down[top]), float(down[bottom])
    return MaskMeasure((x0, y0, x1 - x0, y1 - y0), float(nearest), scaled)


@lru_cache(maxsize=4)
def _pixels_before_cell(rows: int, columns: int, width: int, height: int) -> NDArray[np.int64]:
    """Frame pixels that show the cells before cell ``i`` (column-major), ``rows * columns + 1`` long."""
    shown = np.outer(np.diff(pixel_edges(columns, width)), np.diff(pixel_edges(rows, height)))
    return np.concatenate(([0], np.cumsum(shown.ravel())))


@dataclass(frozen=True)
class MaskMeasures:
    """``MaskMeasure`` of ``n`` masks as columns, and what is wrong with those that are not sound.

    Args:
        boxes: ``(n, 4)``.
        area_nearest: ``(n,)``.
        area_scaled: ``(n,)``.
        problems: ``n`` messages of ``RunsError``, empty where the runs are sound; the measures are 0 elsewhere.
    """

    boxes: NDArray[np.float64]
    area_nearest: NDArray[np.float64]
    area_scaled: NDArray[np.float64]
    problems: list[str]


def measure_all(counts: Texts | Sequence[str], shapes: NDArray[np.int64]) -> MaskMeasures:
    """``measure_mask`` of many masks at once.

    Args:
        counts: ``n`` texts.
        shapes: ``(n, 4)`` rows and columns of the mask's grid, width and height of its frame.
    """
    texts = counts if isinstance(counts, Texts) else Texts.of(counts)
    n = len(texts)
    measures = MaskMeasures(np.zeros((n, 4)), np.zeros(n), np.zeros(n), [""] * n)
    for members in _same_rows(shapes):
        _measure_alike(texts, members, tuple(shapes[members[0]].tolist()), measures)
    return measures


def _same_rows(table: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Numbers of the rows that are alike, one array for each kind of row."""
    if not len(table) or bool((table == table[0]).all()):
        return [np.arange(len(table))] if len(table) else []
    _, kind = np.unique(table, axis=0, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(kind[order])) + 1)


def _measure_alike(
    texts: Texts, members: NDArray[np.int64], shape: tuple[int, int, int, int], measures: MaskMeasures
) -> None:
    """Fill in the ``measures`` of ``members``, which share a shape."""
    from sam2_assets.quality.run_loops import measure_texts  # compiled: not needed to load the definitions

    rows, columns, width, height = shape
    across, down = pixel_edges(columns, width), pixel_edges(rows, height)
    sound = np.zeros(len(members), bool)

    def work(low: int, high: int) -> None:
        some = members[low:high]
        sound[low:high], spans, cells, pixels = measure_texts(texts.data, texts.offsets, some, down, across)
        first, past = (np.stack([across[spans[:, i]], down[spans[:, i + 1]]], 1) for i in (0, 2))
        boxes = np.concatenate([first, past - first], 1).astype(np.float64)
        boxes[pixels == 0] = 0
        measures.boxes[some] = boxes
        measures.area_nearest[some] = pixels
        measures.area_scaled[some] = _scaled(cells, width * height, rows * columns)

    in_stretches(work, np.concatenate(([0], np.cumsum(texts.sizes[members]))), _BYTES_A_THREAD)
    for i in members[~sound].tolist():
        measures.problems[i] = _problem(texts[i], (rows, columns), (width, height))


def _scaled(cells: NDArray[np.int64], pixels: int, grid_cells: int) -> NDArray[np.float64] | list[float]:
    """``cells * pixels / grid_cells`` as Python's integers have it."""
    if grid_cells * pixels < _EXACT:
        return cells * pixels / grid_cells
    return [n * pixels / grid_cells for n in cells.tolist()]


def _problem(counts: str, grid: tuple[int, int], frame: tuple[int, int]) -> str:
    try:
        measure_mask(counts, grid, frame)
    except RunsError as error:
        return str(error)
    raise AssertionError("the two readers of compressed run lengths disagree")
