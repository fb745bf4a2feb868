"""Decides, on sampled frames, how masks are scanned and whether the export's pictures carry the burnt-in overlay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import Document, FrameRecord, Order
from sam2_assets.exports.masks import Grid, decode, enlarge, grid_of
from sam2_assets.exports.overlay import Agreement, Mask, contour_agreement
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.runs import Ints, parse_runs
from sam2_assets.tables import ImageOrigin

# Contour agreement on real exports: right order >= 0.92 in every frame, wrong order and clean frames 0.00.
_PAINTED: Final = 0.5
_CLEAN: Final = 0.1
# fewer visible contour pixels of a frame can all lie under another object's label box
_LEAST_CONTOUR: Final = 50
_OVERLAY_MARGIN: Final = 0.2
# Coherence on 18 exports at 854 x 480 and 480 x 360: right stride 0.76 to 0.99, wrong one 0.00 to 0.55.
_COHERENCE_MARGIN: Final = 0.05


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


@dataclass(frozen=True)
class Decision:
    """Something that was decided, for ``import.json``."""

    what: str
    choice: str
    evidence: dict[str, object]


@dataclass(frozen=True)
class Verdict:
    """What the sampled frames say.

    Args:
        order: scan order of masks that do not state one.
        pictures: what the export's own pictures are.
        decisions: with their evidence.
        warnings: sentences for people.
    """

    order: Order
    pictures: ImageOrigin
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]


def sample_frames(
    document: Document, pictures: Sequence[int], load: Callable[[int], Pixels], count: int
) -> list[SampledFrame]:
    """Up to ``count`` frames with masks, evenly spread; frames with pictures come first.

    Args:
        document: the export.
        pictures: indices of frames that have a picture.
        load: gives the pixels of such a frame.
        count: how many.
    """
    with_masks = [f for f in document.frames if any(len(o.runs.split(None, 1)) > 1 for o in f.objects)]
    known = set(pictures)
    pool = [f for f in with_masks if f.frame_index in known] or with_masks
    places = np.unique(np.linspace(0, len(pool) - 1, min(count, len(pool))).round().astype(int))
    return [_sample(document, pool[i], load if pool[i].frame_index in known else None) for i in places.tolist()]


def _sample(document: Document, frame: FrameRecord, load: Callable[[int], Pixels] | None) -> SampledFrame:
    paths = [f"{o.path}.mask_rle" for o in frame.objects]
    runs = parse_runs([o.runs for o in frame.objects], document.file, paths)
    lengths = tuple(runs.lengths[runs.first[i] : runs.first[i + 1]] for i in range(len(runs)))
    grids = tuple(
        grid_of(o, int(r.sum()), document.width, document.height, document.file)
        for o, r in zip(frame.objects, lengths, strict=True)
    )
    return SampledFrame(frame, lengths, grids, load(frame.frame_index) if load else None)


def judge(document: Document, samples: Sequence[SampledFrame], *, has_pictures: bool) -> Verdict:
    """Weigh what the sampled frames show.

    Scan order, for each of the ways in which masks state it (or do not): the overlay's contours tell; else, on grids
    that are not square, how well neighbouring lines of a mask agree; else what is stated; else row-major, which is
    what the demo's exporter 1.0.0 writes. Its boxes cannot tell: they always follow the column-major reading.

    Raises:
        ExportError: ``mask_order_contradiction`` when the evidence contradicts what is stated, or itself.
    """
    decisions, warnings = [], []
    chosen = Order.ROW
    statements = sorted({o.order for f in document.frames for o in f.objects}, key=str)
    for stated in statements:
        decision, order, assumed = _decide_order(document, samples, stated)
        decisions.append(decision)
        if stated is None:
            chosen = order
            if assumed and document.exporter_version != "1.0.0":
                warnings.append(
                    "mask order: nothing shows it, taken as row-major; state mask_order in the export to be sure"
                )
    if not has_pictures:
        return Verdict(chosen, ImageOrigin.MISSING, tuple(decisions), tuple(warnings))
    pictures, decision, doubts = _decide_pictures(document, samples, chosen)
    return Verdict(chosen, pictures, (*decisions, decision), (*warnings, *doubts))


def _overlay_agreement(
    document: Document, samples: Sequence[SampledFrame], stated: Order | None
) -> dict[Order, Agreement]:
    """Contour agreement of both readings of the masks that state their order as ``stated``, where they differ."""
    total = {order: Agreement(0, 0) for order in Order}
    for sample in samples:
        if sample.picture is None or all(record.order is not stated for record in sample.record.objects):
            continue
        readings = {
            order: sample.masks(
                [order if record.order is stated else record.order or Order.ROW for record in sample.record.objects],
                document.width,
                document.height,
            )
            for order in Order
        }
        total[Order.ROW] += contour_agreement(sample.picture, readings[Order.ROW], readings[Order.COLUMN])
        total[Order.COLUMN] += contour_agreement(sample.picture, readings[Order.COLUMN], readings[Order.ROW])
    return total


def _coherence(samples: Sequence[SampledFrame], stated: Order | None) -> dict[Order, float] | None:
    """Share of set cells whose neighbour on the next line is set, for both orders; None where grids are square."""
    hits = dict.fromkeys(Order, 0)
    cells = dict.fromkeys(Order, 0)
    for sample in samples:
        for record, lengths, grid in zip(sample.record.objects, sample.lengths, sample.grids, strict=True):
            if record.order is not stated or grid[0] == grid[1]:
                continue
            flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(bool)
            for order, stride in ((Order.ROW, grid[1]), (Order.COLUMN, grid[0])):
                hits[order] += int((flat[:-stride] & flat[stride:]).sum())
                cells[order] += int(flat[:-stride].sum())
    if not all(cells.values()):
        return None
    return {order: hits[order] / cells[order] for order in Order}


def _decide_order(
    document: Document, samples: Sequence[SampledFrame], stated: Order | None
) -> tuple[Decision, Order, bool]:
    """The decision, the order, and whether it had to be assumed."""
    overlay = _overlay_agreement(document, samples, stated)
    by_overlay = {order: agreement.share or 0.0 for order, agreement in overlay.items()}
    by_lines = _coherence(samples, stated)
    shown = _winner(by_overlay, _OVERLAY_MARGIN, least=_PAINTED)
    coherent = _winner(by_lines, _COHERENCE_MARGIN) if by_lines else None
    opinions = {order for order in (stated, shown, coherent) if order is not None}
    evidence: dict[str, object] = {
        "stated": stated and str(stated),
        "overlay_agreement": {str(k): None if v.share is None else round(v.share, 4) for k, v in overlay.items()},
        "contour_pixels": overlay[Order.ROW].pixels,
        "line_coherence": _rounded(by_lines) if by_lines else None,
        "frames": [sample.record.frame_index for sample in samples],
    }
    if len(opinions) > 1:
        raise ExportError(
            "mask_order_contradiction",
            f"stated {stated}, burnt-in contours say {shown} {_rounded(by_overlay)}, "
            f"neighbouring lines say {coherent} {_rounded(by_lines or {})}",
            remedy="State the order the masks are written in (mask_order, mask_size as [height, width]), or neither.",
            file=document.file,
            field="mask_order",
            value=None if stated is None else str(stated),
        )
    order = opinions.pop() if opinions else Order.ROW
    basis = "overlay" if shown else "line coherence" if coherent else "statement" if stated else "exporter's habit"
    what = "mask_order" if stated is None else f"mask_order where stated {stated}"
    return Decision(what, str(order), {"basis": basis, **evidence}), order, basis == "exporter's habit"


def _rounded(scores: dict[Order, float]) -> dict[str, float]:
    return {str(order): round(score, 4) for order, score in scores.items()}


def _winner(scores: dict[Order, float], margin: float, least: float = 0.0) -> Order | None:
    best, other = sorted(scores, key=lambda order: scores[order], reverse=True)
    return best if scores[best] >= least and scores[best] - scores[other] >= margin else None


def _decide_pictures(
    document: Document, samples: Sequence[SampledFrame], unstated: Order
) -> tuple[ImageOrigin, Decision, list[str]]:
    """Whether the pictures carry the overlay. In doubt they do: a model must not be trained on its answers."""
    found: dict[int, Agreement] = {}
    for sample in samples:
        if sample.picture is not None:
            masks = sample.masks(sample.orders(unstated), document.width, document.height)
            found[sample.record.frame_index] = contour_agreement(sample.picture, masks)
    judged = [agreement for agreement in found.values() if agreement.pixels >= _LEAST_CONTOUR]
    shares = [a.share for a in judged or [sum(found.values(), Agreement(0, 0))] if a.share is not None]
    warnings = []
    choice = ImageOrigin.EXPORT_OVERLAY
    if not shares:
        warnings.append("overlay: no contour to look for in any picture, so pictures are taken as painted")
    elif max(shares) < _CLEAN:
        choice = ImageOrigin.EXPORT_CLEAN
    elif min(shares) < _PAINTED:
        warnings.append("overlay: only part of the contours was found, so all pictures are taken as painted")
    evidence: dict[str, object] = {
        "contour_agreement": {
            str(index): {"share": None if a.share is None else round(a.share, 4), "pixels": a.pixels}
            for index, a in found.items()
        },
        "clean_below": _CLEAN,
    }
    return choice, Decision("pictures", str(choice), evidence), warnings
