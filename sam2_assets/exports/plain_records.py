"""The frames of a version 1 document, read column by column, where every record has the form that the demo writes.

A long export has tens of thousands of records. Checked one field after another they take longer to read than to
parse. Here all values of one field are checked at once, and whatever is not as the demo writes it, sound or not, is
left to the careful reader of ``document``, which also says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_FRAME: Final = ("frame_index", "timestamp_sec", "objects")
_OBJECT: Final = ("object_id", "label", "mask_rle", "bbox", "area", "confidence")

Columns = tuple[Sequence[Any], ...]


class PlainRecords:
    """Columns of a document's frames and objects, one after another as they stand there.

    Args:
        indices: ``frame_index`` of each frame.
        timestamps: seconds, of each frame.
        sizes: number of objects of each frame.
        ids: ``object_id`` of each object; different within a frame.
        labels: of each object.
        runs: text of each object, decimal run lengths or at least nothing else that is readable.
        boxes: four floats of each object.
        areas: of each object.
        confidences: of each object.
    """

    def __init__(self, frames: Columns, objects: Columns, boxes: list[tuple[float, float, float, float]]) -> None:
        self.indices: Sequence[int] = frames[0]
        self.timestamps: list[float] = list(map(float, frames[1]))
        self.sizes: list[int] = list(map(len, frames[2]))
        self.ids: Sequence[int] = objects[0]
        self.labels: Sequence[str] = objects[1]
        self.runs: Sequence[str] = objects[2]
        self.boxes = boxes
        self.areas: list[float] = list(map(float, objects[4]))
        self.confidences: list[float] = list(map(float, objects[5]))


def plain_records(
    annotations: object, *, frames: int, largest: float, largest_id: int, longest_label: int, longest_text: int
) -> PlainRecords | None:
    """The records of ``annotations`` as columns; None if any of them is not exactly in the demo's form.

    Args:
        annotations: the list of frame records, as parsed.
        frames: of the video; a frame's index is below.
        largest: number of a time, a box's coordinate or an area.
        largest_id: of an object.
        longest_label: characters.
        longest_text: characters of a mask's run lengths.
    """
    of_frames = _columns(annotations, _FRAME)
    if of_frames is None or not _all_of(of_frames[2], {list}):
        return None
    of_objects = _columns(list(chain.from_iterable(of_frames[2])), _OBJECT)
    if of_objects is None:
        return None
    ids, labels, texts, stated_boxes, areas, confidences = of_objects
    if not _all_of(stated_boxes, {list}) or not set(map(len, stated_boxes)) <= {4}:
        return None
    corners = list(chain.from_iterable(stated_boxes))
    sound = (
        _integers(of_frames[0], frames - 1)
        and _numbers(of_frames[1], 0, largest)
        and _integers(ids, largest_id)
        and _texts(labels, longest_label)
        and _texts(texts, longest_text)
        and _numbers(corners, -largest, largest)
        and _numbers(areas, 0, largest)
        and _numbers(confidences, 0, 1)
        # one word that is not a number may be a compressed string
        and all(" " in text or (text.isdigit() and text.isascii()) for text in texts)
        and len(set(of_frames[0])) == len(of_frames[0])
        and _different_in_frames(ids, of_frames[2])
    )
    if not sound:
        return None
    each = iter(map(float, corners))
    return PlainRecords(of_frames, of_objects, list(zip(each, each, each, each, strict=True)))


def _columns(records: object, fields: tuple[str, ...]) -> Columns | None:
    """The values of each field, if there are records and every one has these fields and no others."""
    if type(records) is not list or not _all_of(records, {dict}) or not set(map(len, records)) <= {len(fields)}:
        return None
    try:
        rows = list(map(itemgetter(*fields), records))
    except KeyError:
        return None
    return tuple(zip(*rows, strict=True)) if rows else ((),) * len(fields)


def _all_of(values: Sequence[Any], types: set[type]) -> bool:
    return set(map(type, values)) <= types


def _integers(values: Sequence[Any], most: int) -> bool:
    return _all_of(values, {int}) and min(values, default=0) >= 0 and max(values, default=0) <= most


def _numbers(values: Sequence[Any], least: float, most: float) -> bool:
    # JSON as it is parsed here has neither infinities nor NaN
    return _all_of(values, {int, float}) and least <= min(values, default=least) and max(values, default=most) <= most


def _texts(values: Sequence[Any], longest: int) -> bool:
    return _all_of(values, {str}) and max(map(len, values), default=0) <= longest


def _different_in_frames(ids: Sequence[int], objects: Sequence[list[Any]]) -> bool:
    frame: npt.NDArray[np.int64] = np.repeat(np.arange(len(objects)), list(map(len, objects)))
    return len(np.unique((frame << 31) | np.array(ids, np.int64))) == len(ids)
