"""Decides how masks are scanned: row by row or column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.box_convention import BoxFit, box_fit
from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.overlay import Agreement, Mask, chance_agreement, contour_agreement
from sam2_assets.exports.sampling import SampledFrame

# Contour agreement on real exports: right order >= 0.92 in every frame, wrong order and clean frames 0.00.
PAINTED: Final = 0.5
_OVERLAY_MARGIN: Final = 0.2
# pictures saved again as JPEG: 0.55 and 0.00
_LEAST_SHOWN: Final = 0.25
# contours of another reading lie on the object's colour by chance in a picture that is full of it; below, they do not
_BY_CHANCE: Final = 0.1
# fewer visible contour pixels of a frame can all lie under another object's label box
LEAST_CONTOUR: Final = 50
# Coherence on 18 exports at 854 x 480 and 480 x 360: right stride 0.76 to 0.99, wrong one 0.00 to 0.55.
_COHERENCE_MARGIN: Final = 0.05
# a frame of its own contradicts the others only if it is this sure
_COHERENCE_OF_A_FRAME: Final = 0.3
_LEAST_CELLS: Final = 200


@dataclass(frozen=True)
class OrderVerdict:
    """The order of the masks that state theirs as ``stated``.

    Args:
        stated: the statement; None for masks that state none.
        order: what was decided.
        basis: on what.
        evidence: the figures.
        boxes: how stated boxes fit both readings.
        assumed: whether nothing showed it and nobody's habit is known.
    """

    stated: Order | None
    order: Order
    basis: str
    evidence: dict[str, object]
    boxes: BoxFit
    assumed: bool


def decide_order(document: Document, samples: Sequence[SampledFrame], stated: Order | None) -> OrderVerdict:
    """Weigh what the sampled frames show about masks that state their order as ``stated``.

    In this order: the overlay's contours; on grids that are not square, how well neighbouring lines of a mask agree;
    boxes in frame pixels; the statement. These must not contradict each other, nor one frame another. If none of them
    says anything: what the demo's exporter does (the box is that of the transposed mask), what COCO defines, and at
    last row-major, the demo's habit.

    Raises:
        ExportError: ``mask_order_contradiction``.
    """
    looks = {s.record.frame_index: _look_for_contours(document, s, stated) for s in samples}
    contours = _sum(look.found for look in looks.values())
    overlay = {index: look.beyond_chance() for index, look in looks.items()}
    lines = {s.record.frame_index: _coherence(s, stated) for s in samples}
    boxes = box_fit(document, samples, stated)
    shown = _shown(_sum(overlay.values()), 1)
    coherent = _coherent(_sum(lines.values()), _COHERENCE_MARGIN)
    opinions = {"overlay": shown, "line coherence": coherent, "boxes": boxes.reading(), "statement": stated}
    evidence: dict[str, object] = {
        "stated": stated and str(stated),
        "overlay_agreement": _rounded(contours),
        "overlay_beyond_chance": _rounded(_sum(overlay.values())),
        "contour_pixels": contours[Order.ROW].pixels,
        "line_coherence": _rounded(_sum(lines.values())),
        "boxes": boxes.boxes,
        "boxes_that_fit": {
            str(order): {c.name: round(share, 4) for c, share in boxes.shares[order].items() if share >= 0.2}
            for order in Order
        },
        "frames": [sample.record.frame_index for sample in samples],
    }
    _refuse_contradictions(document, stated, opinions, evidence)
    _refuse_mixture(document, "burnt-in contours", {i: _shown(a, LEAST_CONTOUR) for i, a in overlay.items()})
    _refuse_mixture(document, "neighbouring lines", {i: _surely_coherent(a) for i, a in lines.items()})
    basis = next((name for name, order in opinions.items() if order is not None), None)
    if basis is not None:
        return OrderVerdict(stated, opinions[basis] or Order.ROW, basis, evidence, boxes, assumed=False)
    if document.of_the_demo and (habitual := boxes.demo_reading()) is not None:
        return OrderVerdict(stated, habitual, "the exporter's box of the transposed mask", evidence, boxes, False)
    if any(record.coco for frame in document.frames for record in frame.objects if record.order is None):
        return OrderVerdict(stated, Order.COLUMN, "COCO's definition", evidence, boxes, assumed=False)
    return OrderVerdict(stated, Order.ROW, "exporter's habit", evidence, boxes, not document.of_the_demo)


@dataclass(frozen=True)
class _Contours:
    """How the contours of both readings of a frame's masks agree with its picture, where the readings differ.

    Args:
        found: along the contours.
        chance: share that agrees along the same contours, moved aside, where nothing was drawn.
    """

    found: dict[Order, Agreement]
    chance: dict[Order, float]

    def beyond_chance(self) -> dict[Order, Agreement]:
        """What is found less what chance explains: in front of a green screen, any contour lies on green."""
        return {
            order: Agreement(max(0, a.agreeing - round(self.chance[order] * a.pixels)), a.pixels)
            for order, a in self.found.items()
        }


def _look_for_contours(document: Document, sample: SampledFrame, stated: Order | None) -> _Contours:
    found = {order: Agreement(0, 0) for order in Order}
    chance = dict.fromkeys(Order, 0.0)
    if sample.picture is None or all(record.order is not stated for record in sample.record.objects):
        return _Contours(found, chance)
    readings: dict[Order, list[Mask]] = {
        order: sample.masks(
            [order if record.order is stated else record.order or Order.ROW for record in sample.record.objects],
            document.width,
            document.height,
        )
        for order in Order
    }
    for order, other in ((Order.ROW, Order.COLUMN), (Order.COLUMN, Order.ROW)):
        found[order] = contour_agreement(sample.picture, readings[order], readings[other])
        if (found[order].share or 0.0) >= _BY_CHANCE:
            chance[order] = chance_agreement(sample.picture, readings[order]).share or 0.0
    return _Contours(found, chance)


def _coherence(sample: SampledFrame, stated: Order | None) -> dict[Order, Agreement]:
    """Set cells whose neighbour on the next line is set, of all set cells; nothing on square grids."""
    from sam2_assets.exports.run_loops import set_neighbours  # compiled: not needed to load the definitions

    found = {order: Agreement(0, 0) for order in Order}
    for record, lengths, grid in zip(sample.record.objects, sample.lengths, sample.grids, strict=True):
        if record.order is not stated or grid[0] == grid[1]:
            continue
        for order, stride in ((Order.ROW, grid[1]), (Order.COLUMN, grid[0])):
            found[order] += Agreement(*set_neighbours(lengths, stride))
    return found


def _sum(frames: Iterable[dict[Order, Agreement]]) -> dict[Order, Agreement]:
    total = {order: Agreement(0, 0) for order in Order}
    for found in frames:
        for order in Order:
            total[order] += found[order]
    return total


def _shown(agreement: dict[Order, Agreement], least_pixels: int) -> Order | None:
    if max(a.pixels for a in agreement.values()) < least_pixels:
        return None
    return _winner({order: a.share or 0.0 for order, a in agreement.items()}, _OVERLAY_MARGIN, least=_LEAST_SHOWN)


def _coherent(agreement: dict[Order, Agreement], margin: float) -> Order | None:
    if not all(a.pixels for a in agreement.values()):
        return None
    return _winner({order: a.share or 0.0 for order, a in agreement.items()}, margin)


def _surely_coherent(agreement: dict[Order, Agreement]) -> Order | None:
    if min(a.pixels for a in agreement.values()) < _LEAST_CELLS:
        return None
    return _coherent(agreement, _COHERENCE_OF_A_FRAME)


def _winner(scores: dict[Order, float], margin: float, least: float = 0.0) -> Order | None:
    best, other = sorted(scores, key=lambda order: scores[order], reverse=True)
    return best if scores[best] >= least and scores[best] - scores[other] >= margin else None


def _rounded(agreement: dict[Order, Agreement]) -> dict[str, float | None]:
    return {str(order): None if a.share is None else round(a.share, 4) for order, a in agreement.items()}


def _refuse_contradictions(
    document: Document, stated: Order | None, opinions: dict[str, Order | None], evidence: dict[str, object]
) -> None:
    if len({order for order in opinions.values() if order is not None}) < 2:
        return
    said = ", ".join(f"{name} says {order}" for name, order in opinions.items() if order is not None)
    raise ExportError(
        "mask_order_contradiction",
        f"{said}; contours agree {evidence['overlay_beyond_chance']}, lines {evidence['line_coherence']}, "
        f"boxes {evidence['boxes_that_fit']}",
        remedy="State the order the masks are written in (mask_order, mask_size as [height, width]), or neither.",
        file=document.file,
        field="mask_order",
        value=None if stated is None else str(stated),
    )


def _refuse_mixture(document: Document, what: str, frames: dict[int, Order | None]) -> None:
    """Frames that show different orders: the masks are not all written in one way."""
    found = {order: [index for index, shown in frames.items() if shown is order] for order in Order}
    if not all(found.values()):
        return
    raise ExportError(
        "mask_order_contradiction",
        f"{what} say row in frames {found[Order.ROW]} and column in frames {found[Order.COLUMN]}",
        remedy="Write all masks in one scan order, or state mask_order with each.",
        file=document.file,
        field="mask_order",
        value=None,
    )
