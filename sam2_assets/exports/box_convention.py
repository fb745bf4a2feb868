"""What the four numbers of a stated box mean, found by holding them against the masks in both scan orders.

Nothing is computed from stated boxes: what they mean tells which reading of the masks their writer had, and whether
they are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sam2_assets.exports.document import Document, ObjectRecord, Order
from sam2_assets.exports.masks import Grid, measure
from sam2_assets.exports.runs import Ints, Runs
from sam2_assets.exports.sampling import SampledFrame

FITS: Final = 0.8
"""Least share of the sampled boxes that a convention must explain."""
MISFITS: Final = 0.5
"""Most that the other reading may explain, for a box to tell the readings apart."""
_PIXELS: Final = "frame pixels"
_CELLS: Final = "grid cells"


@dataclass(frozen=True)
class Convention:
    """A meaning of four numbers.

    Args:
        units: frame pixels or cells of the mask's grid.
        swapped: whether the vertical axis comes first.
        corners: whether the second pair is the corner opposite and not the size.
    """

    units: str
    swapped: bool
    corners: bool

    @property
    def name(self) -> str:
        """As ``import.json`` says it."""
        first = "y, x" if self.swapped else "x, y"
        size = "height, width" if self.swapped else "width, height"
        second = f"{first[0]}2, {first[-1]}2" if self.corners else size
        return f"{first}, {second} in {self.units}"

    def written(self, box: np.ndarray) -> np.ndarray:
        """A box ``x, y, w, h`` in the convention's units, as this convention writes it."""
        ordered = box[[1, 0, 3, 2]] if self.swapped else box.copy()
        if self.corners:
            ordered[2:] += ordered[:2]
        return ordered


CONVENTIONS: Final = tuple(
    Convention(units, swapped, corners)
    for corners in (False, True)
    for swapped in (False, True)
    for units in (_PIXELS, _CELLS)
)
"""Most usual first: of conventions that fit equally well the first one counts."""


@dataclass(frozen=True)
class BoxFit:
    """Share of sampled boxes that each convention explains, in each scan order; empty if there were none.

    Args:
        boxes: how many were looked at.
        shares: order -> convention -> 0..1.
        telling: whether pixels and cells differ: no mask is on a grid of the frame's own size.
    """

    boxes: int
    shares: dict[Order, dict[Convention, float]]
    telling: bool

    def best(self, order: Order) -> tuple[Convention, float] | None:
        """The convention that explains most boxes if masks are read in ``order``; None if none explains enough."""
        if not self.boxes:
            return None
        shares = self.shares[order]
        found = max(CONVENTIONS, key=lambda convention: shares[convention])
        return (found, shares[found]) if shares[found] >= FITS else None

    def reading(self) -> Order | None:
        """The reading whose boxes, in frame pixels and with x first, the stated ones are; None if they do not tell."""
        return self._only(_PIXELS)

    def demo_reading(self) -> Order | None:
        """The order of the masks if their boxes are those that the demo's exporter writes.

        It writes the box of the transposed mask in grid cells, so that it fits the wrong reading.
        """
        wrong = self._only(_CELLS)
        return None if wrong is None else (Order.ROW if wrong is Order.COLUMN else Order.COLUMN)

    def _only(self, units: str) -> Order | None:
        if not self.boxes or not self.telling:
            return None
        fits = {order: self._plain(order, units) for order in Order}
        others = max(self._plain(order, _CELLS if units == _PIXELS else _PIXELS) for order in Order)
        order = max(Order, key=lambda o: fits[o])
        low = min(fits.values())
        return order if fits[order] >= FITS and low <= MISFITS and others <= MISFITS else None

    def _plain(self, order: Order, units: str) -> float:
        return max(share for c, share in self.shares[order].items() if c.units == units and not c.swapped)


def box_fit(document: Document, samples: Sequence[SampledFrame], stated: Order | None) -> BoxFit:
    """Hold the boxes of sampled masks that state their order as ``stated`` against both readings of the masks."""
    hits = {order: dict.fromkeys(CONVENTIONS, 0) for order in Order}
    boxes = 0
    telling = True
    for sample in samples:
        for record, lengths, grid in zip(sample.record.objects, sample.lengths, sample.grids, strict=True):
            if record.order is not stated or record.box is None or not lengths[1::2].any():
                continue
            boxes += 1
            telling &= grid != (document.height, document.width)
            for order in Order:
                for convention in _fitting(record, lengths, grid, order, document):
                    hits[order][convention] += 1
    shares = {order: {c: hits[order][c] / max(boxes, 1) for c in CONVENTIONS} for order in Order}
    return BoxFit(boxes, shares, telling)


def _fitting(record: ObjectRecord, lengths: Ints, grid: Grid, order: Order, document: Document) -> list[Convention]:
    runs = Runs(lengths, np.array([0, len(lengths)], np.int64))
    truth = {
        _PIXELS: measure(runs, grid, order, document.width, document.height).boxes[0],
        _CELLS: measure(runs, grid, order, grid[1], grid[0]).boxes[0],
    }
    # a pixel, and in pixels a cell more: writers round the edges of cells in several ways
    slack = {_PIXELS: 1 + max(document.width / grid[1], document.height / grid[0]), _CELLS: 1.0}
    if (document.height, document.width) == grid:
        slack[_PIXELS] = 1.0
    found = []
    for convention in CONVENTIONS:
        difference = np.abs(np.array(record.box) - convention.written(truth[convention.units])).max()
        if difference <= slack[convention.units]:
            found.append(convention)
    return found
