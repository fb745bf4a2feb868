"""The few frames of an export that evidence looks at: their masks in both readings, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sam2_assets.exports.document import Document, FrameRecord, Order
from sam2_assets.exports.mask_fields import LONGEST_TEXT
from sam2_assets.exports.masks import Grid, decode, enlarge, grid_of
from sam2_assets.exports.overlay import Mask
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.runs import Ints, parse_runs

# all masks of a frame are in memory at once, in both readings: 130 objects at 1080p
_MOST_MASK_PIXELS: Final = 2**28
_MOST_MASK_TEXT: Final = 2**26


@dataclass(frozen=True)
class SampledFrame:
    """A frame to look at: its record, the run lengths and grid of each mask, and its picture in the export, if any."""

    record: FrameRecord
    lengths: tuple[Ints, ...]
    grids: tuple[Grid, ...]
    picture: Pixels | None

    def masks(self, orders: Sequence[Order], width: int, height: int) -> list[Mask]:
        """The masks in frame pixels, ``(height, width)`` each, read in ``orders``."""
        return [
            enlarge(decode(lengths, grid, order), width, height)
            for lengths, grid, order in zip(self.lengths, self.grids, orders, strict=True)
        ]

    def orders(self, unstated: Order) -> list[Order]:
        """Scan order of each mask: as stated, else ``unstated``."""
        return [record.order or unstated for record in self.record.objects]


def sample_frames(
    document: Document, pictures: Sequence[int], load: Callable[[int], Pixels], count: int
) -> list[SampledFrame]:
    """Up to ``count`` frames with masks, evenly spread; frames with pictures come first.

    Frames whose masks would fill the memory are not looked at.

    Args:
        document: the export.
        pictures: indices of frames that have a picture.
        load: gives the pixels of such a frame.
        count: how many.
    """
    frames = document.frames
    with_masks = [f for f in frames if _has_masks(f) and _fits(document, f)]
    known = set(pictures)
    pool = [f for f in with_masks if f.frame_index in known] or with_masks
    places = np.unique(np.linspace(0, len(pool) - 1, min(count, len(pool))).round().astype(int))
    return [look_at(document, pool[i], load if pool[i].frame_index in known else None) for i in places.tolist()]


def _has_masks(frame: FrameRecord) -> bool:
    return any(_several_runs(record.runs) for record in frame.objects)


def _several_runs(text: str) -> bool:
    """Whether there are at least two numbers, or words, in it."""
    place = text.find(" ", 1)
    if place > 0 and not text[0].isspace() and not text[place + 1 : place + 2].isspace() and place + 1 < len(text):
        return True
    return len(text.split(None, 1)) > 1


def _fits(document: Document, frame: FrameRecord) -> bool:
    if document.width * document.height * len(frame.objects) > _MOST_MASK_PIXELS:
        return False
    most = len(frame.objects) * LONGEST_TEXT
    return most <= _MOST_MASK_TEXT or sum(len(o.runs) for o in frame.objects) <= _MOST_MASK_TEXT


def look_at(document: Document, frame: FrameRecord, load: Callable[[int], Pixels] | None) -> SampledFrame:
    """A frame with its masks and, if ``load`` is given, its picture."""
    runs = parse_runs([o.runs for o in frame.objects], document.file, lambda: [o.runs_path for o in frame.objects])
    lengths = tuple(runs.lengths[runs.first[i] : runs.first[i + 1]] for i in range(len(runs)))
    grids = tuple(
        grid_of(o, int(r.sum()), document.width, document.height, document.file)
        for o, r in zip(frame.objects, lengths, strict=True)
    )
    return SampledFrame(frame, lengths, grids, load(frame.frame_index) if load else None)
