"""Decides, on sampled frames, how masks are scanned, what stated boxes mean, and whether pictures carry the overlay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sam2_assets.exports.box_convention import BoxFit
from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.overlay import Agreement, chance_agreement, contour_agreement
from sam2_assets.exports.sampling import SampledFrame
from sam2_assets.exports.scan_order import LEAST_CONTOUR, PAINTED, OrderVerdict, decide_order
from sam2_assets.tables import ImageOrigin

_CLEAN: Final = 0.1
_UNKNOWN: Final = "unknown"


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
        corners: whether stated boxes are two corners and not a corner and a size.
        pictures: what the export's own pictures are.
        decisions: with their evidence.
        warnings: sentences for people.
    """

    order: Order
    corners: bool
    pictures: ImageOrigin
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]


def judge(document: Document, samples: Sequence[SampledFrame], *, has_pictures: bool) -> Verdict:
    """Weigh what the sampled frames show; scan order (``scan_order``) first, for each way in which masks state it.

    Raises:
        ExportError: ``mask_order_contradiction`` when the evidence contradicts what is stated, or itself.
    """
    decisions, warnings = [], []
    chosen = Order.ROW
    verdicts = []
    for stated in sorted({o.order for f in document.frames for o in f.objects}, key=str):
        verdict = decide_order(document, samples, stated)
        verdicts.append(verdict)
        what = "mask_order" if stated is None else f"mask_order where stated {stated}"
        decisions.append(Decision(what, str(verdict.order), {"basis": verdict.basis, **verdict.evidence}))
        if stated is None:
            chosen = verdict.order
            if verdict.assumed:
                warnings.append(
                    "mask order: nothing shows it, taken as row-major; state mask_order in the export to be sure"
                )
    corners, decision, doubts = _decide_boxes(verdicts)
    decisions.append(decision)
    warnings += doubts
    if not has_pictures:
        return Verdict(chosen, corners, ImageOrigin.MISSING, tuple(decisions), tuple(warnings))
    pictures, decision, doubts = _decide_pictures(document, samples, chosen)
    return Verdict(chosen, corners, pictures, (*decisions, decision), (*warnings, *doubts))


def _decide_boxes(verdicts: Sequence[OrderVerdict]) -> tuple[bool, Decision, list[str]]:
    """What stated boxes mean, given the scan order. They are compared with the masks; nothing is taken from them."""
    looked_at = [(verdict.order, verdict.boxes) for verdict in verdicts if verdict.boxes.boxes]
    found = [_meaning(order, fit) for order, fit in looked_at]
    names = sorted({name for name, _, _ in found})
    evidence: dict[str, object] = {
        "boxes": sum(fit.boxes for _, fit in looked_at),
        "share": [round(share, 4) for _, _, share in found],
        "corners_share": [_corners_share(order, fit) for order, fit in looked_at],
    }
    if not looked_at:
        return False, Decision("box_convention", "none stated", evidence), []
    if names != [_UNKNOWN] and len(names) == 1:
        return all(corners for _, corners, _ in found), Decision("box_convention", names[0], evidence), []
    warning = "boxes: no one convention explains the stated boxes; those of the masks are used, as always"
    return False, Decision("box_convention", _UNKNOWN, evidence), [warning]


def _meaning(order: Order, fit: BoxFit) -> tuple[str, bool, float]:
    """Name of the convention, whether it has corners, and the share of boxes it explains."""
    best = fit.best(order)
    if best is not None:
        return best[0].name, best[0].corners, best[1]
    other = Order.ROW if order is Order.COLUMN else Order.COLUMN
    best = fit.best(other)
    if best is not None:
        return f"{best[0].name}, of the masks read by {other}, which is wrong", best[0].corners, best[1]
    return _UNKNOWN, False, 0.0


def _corners_share(order: Order, fit: BoxFit) -> float:
    return round(max(share for c, share in fit.shares[order].items() if c.corners), 4)


def _decide_pictures(
    document: Document, samples: Sequence[SampledFrame], unstated: Order
) -> tuple[ImageOrigin, Decision, list[str]]:
    """Whether the pictures carry the overlay. In doubt they do: a model must not be trained on its answers."""
    found: dict[int, Agreement] = {}
    chance: dict[int, Agreement] = {}
    for sample in samples:
        if sample.picture is not None:
            masks = sample.masks(sample.orders(unstated), document.width, document.height)
            index = sample.record.frame_index
            found[index] = contour_agreement(sample.picture, masks)
            # only doubt needs it
            if _CLEAN <= (found[index].share or 0.0) < PAINTED:
                chance[index] = chance_agreement(sample.picture, masks)
    judged = {index: agreement for index, agreement in found.items() if agreement.pixels >= LEAST_CONTOUR}
    shares = [a.share for a in judged.values() if a.share is not None]
    above = [_above_chance(a, chance.get(index)) for index, a in judged.items()]
    if not judged:
        total = sum(found.values(), Agreement(0, 0))
        shares = [] if total.share is None else [total.share]
        above = shares
    warnings = []
    choice = ImageOrigin.EXPORT_OVERLAY
    if not shares:
        warnings.append("overlay: no contour to look for in any picture, so pictures are taken as painted")
    elif max(above) < _CLEAN:
        choice = ImageOrigin.EXPORT_CLEAN
    elif min(shares) < PAINTED:
        warnings.append("overlay: only part of the contours was found, so all pictures are taken as painted")
    evidence: dict[str, object] = {
        "contour_agreement": {
            str(index): {
                "share": None if a.share is None else round(a.share, 4),
                "pixels": a.pixels,
                **({"chance": round(chance[index].share or 0.0, 4)} if index in chance else {}),
            }
            for index, a in found.items()
        },
        "clean_below": _CLEAN,
    }
    return choice, Decision("pictures", str(choice), evidence), warnings


def _above_chance(agreement: Agreement, chance: Agreement | None) -> float:
    """Share of the contour that has its colour, beyond what the picture has of it in any case."""
    return (agreement.share or 0.0) - ((chance.share or 0.0) if chance is not None else 0.0)
