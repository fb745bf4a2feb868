"""The ways in which exports write one mask, all brought to one: decimal run lengths separated by spaces.

``mask_rle`` as text (decimal, or COCO's compressed string), as a list of runs, or as an object; or ``mask`` as an
object ``{counts, size, order}`` with the same kinds of ``counts``. Size and order stand in the object or beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sam2_assets.errors import brief
from sam2_assets.exports.compressed import decompress
from sam2_assets.exports.fields import Field

MOST_PIXELS_A_SIDE: Final = 16_384
# a frame of 4096 x 4096 with a run for every fourth pixel
LONGEST_TEXT: Final = 2**23
_LONGEST_WORD: Final = 1_000
_LONGEST_RUN: Final = 10**10
# what COCO's compressed run lengths are written with, and plain ones are not
_COMPRESSED: Final = re.compile(r"^[0-o]*[:-o][0-o]*$")
_DIGITS: Final = re.compile(r"^[0-9]+$")


class Order(StrEnum):
    """How the cells of a mask are lined up in its run lengths."""

    ROW = "row"
    COLUMN = "column"


class Writing(StrEnum):
    """How a mask is written."""

    TEXT = "decimal text"
    LIST = "list of runs"
    COMPRESSED = "COCO compressed string"


_ORDERS: Final = {"row": Order.ROW, "c": Order.ROW, "column": Order.COLUMN, "f": Order.COLUMN}


@dataclass(frozen=True, slots=True)
class MaskField:
    """One mask as stated.

    Args:
        field: name of the field that holds the runs, below the object, e.g. ``mask.counts``.
        runs: decimal run lengths separated by spaces, zero run first.
        grid: ``(height, width)``, if stated.
        order: if stated.
        writing: how it was written.
        coco: whether it has the form of COCO's run lengths (compressed, or an object with a list of runs), which are
            column-major by definition.
    """

    field: str
    runs: str
    grid: tuple[int, int] | None
    order: Order | None
    writing: Writing
    coco: bool


def read_mask(record: Field) -> MaskField:
    """The mask of an object's record.

    Raises:
        ExportError: ``missing_field``, ``wrong_type``, ``out_of_range``, ``bad_mask_order``, ``bad_run``,
            ``negative_run``, ``mask_size_contradiction``.
    """
    stated = record.get("mask_rle")
    name = "mask_rle"
    if stated is None and record.get("mask") is not None:
        stated, name = record.need("mask"), "mask"
    if stated is None:
        stated = record.need("mask_rle")
    grid, order = record.get("mask_size"), record.get("mask_order")
    counts = stated
    is_object = isinstance(stated.value, dict)
    if is_object:
        counts, name = stated.need("counts"), f"{name}.counts"
        grid, order = _either(stated.get("size"), grid), _either(stated.get("order"), order)
    size = None if grid is None else read_grid(grid)
    runs, writing = _runs(counts, size, coco=is_object)
    return MaskField(
        field=name,
        runs=runs,
        grid=size,
        order=None if order is None else read_order(order),
        writing=writing,
        coco=writing is Writing.COMPRESSED or (is_object and writing is Writing.LIST),
    )


def _either(inside: Field | None, beside: Field | None) -> Field | None:
    if inside is not None and beside is not None and inside.value != beside.value:
        raise inside.error("mask_size_contradiction", f"{beside.path} says {brief(beside.value)}")
    return beside if inside is None else inside


def _runs(counts: Field, size: tuple[int, int] | None, *, coco: bool) -> tuple[str, Writing]:
    if isinstance(counts.value, list):
        _check_runs(counts, counts.value)
        return " ".join(map(str, counts.value)), Writing.LIST
    text = counts.text(LONGEST_TEXT)
    # COCO's string may happen to have digits alone: then only the number of cells tells
    if _COMPRESSED.match(text) or (coco and _DIGITS.match(text) and _fills(text, size)):
        try:
            lengths = decompress(text)
        except ValueError as error:
            raise counts.error("bad_run", f"is no COCO compressed string: {error}") from error
        return " ".join(map(str, lengths.tolist())), Writing.COMPRESSED
    return text, Writing.TEXT


def _check_runs(counts: Field, runs: list[object]) -> None:
    for place, run in enumerate(runs):
        if type(run) is not int or not 0 <= run <= _LONGEST_RUN:
            each = Field(counts.file, f"{counts.path}[{place}]", run)
            if type(run) is int and run < 0:
                raise each.error("negative_run", "a run length is negative")
            each.integer(0, _LONGEST_RUN)


def _fills(text: str, size: tuple[int, int] | None) -> bool:
    return size is not None and _total(text) == size[0] * size[1]


def _total(text: str) -> int:
    try:
        return int(decompress(text).sum())
    except ValueError:
        return -1


def read_grid(field: Field) -> tuple[int, int]:
    """``[height, width]`` in cells; ``wrong_type`` or ``out_of_range`` otherwise."""
    sides = field.elements()
    if len(sides) != 2:
        raise field.error("wrong_type", "must be [height, width]")
    return sides[0].integer(1, MOST_PIXELS_A_SIDE), sides[1].integer(1, MOST_PIXELS_A_SIDE)


def read_order(field: Field) -> Order:
    """A scan order in one of its spellings; ``bad_mask_order`` otherwise."""
    found = _ORDERS.get(field.text(_LONGEST_WORD).strip().lower())
    if found is None:
        raise field.error("bad_mask_order", 'must be "row" or "column" (or "C", "F")')
    return found
