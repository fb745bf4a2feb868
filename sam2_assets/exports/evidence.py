"""Decides, on sampled frames, how masks are scanned, what stated boxes mean, and whether pictures carry the overlay.

And whether their colours are the video's, as far as they can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sam2_assets.exports.box_convention import BoxFit
from sam2_assets.exports.colours import exchanged_sample, look_for_exchange
from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.overlay import (
    LEAST_STRAY,
    Agreement,
    Mask,
    Stray,
    chance_agreement,
    contour_agreement,
    stray_lines,
)
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.sampling import SampledFrame
from sam2_assets.exports.scan_order import LEAST_CONTOUR, PAINTED, OrderVerdict, decide_order
from sam2_assets.tables import ImageOrigin

_CLEAN: Final = 0.1
# contours that were painted and not coded again: 0.92 and more
_SURELY_PAINTED: Final = 0.9
# inner half of painted contours after coding again as JPEG, on real exports: 0.60
_PAINTED_INSIDE: Final = 0.25
_UNKNOWN: Final = "unknown"
CHANNELS: Final = "channels"
EXCHANGED: Final = "red and blue exchanged"
"""What is decided of ``CHANNELS``, if it is not as it should be."""
PICTURES: Final = "pictures"
OUTLINED_ELSEWHERE: Final = "outlined_elsewhere"
"""In the evidence of ``PICTURES``: sampled frame -> share of its masks' contours that were painted, where contours were
painted elsewhere instead."""


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
        exchanged: whether these have red and blue exchanged.
        decisions: with their evidence.
        warnings: sentences for people.
    """

    order: Order
    corners: bool
    pictures: ImageOrigin
    exchanged: bool
    decisions: tuple[Decision, ...]
    warnings: tuple[str, ...]


def judge(document: Document, samples: Sequence[SampledFrame], *, has_pictures: bool) -> Verdict:
    """Weigh what the sampled frames show; scan order (``scan_order``) first, for each way in which masks state it.

    Raises:
        ExportError: ``mask_order_contradiction`` when the evidence contradicts what is stated, or itself.
    """
    decisions, warnings = [], []
    exchange = look_for_exchange(document, samples)
    if exchange is not None:
        samples = [exchanged_sample(sample) for sample in samples]
        decisions.append(Decision(CHANNELS, EXCHANGED, exchange))
        warnings.append("pictures: red and blue are exchanged, as the painted contours show")
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
        return Verdict(chosen, corners, ImageOrigin.MISSING, False, tuple(decisions), tuple(warnings))
    pictures, decision, doubts = _decide_pictures(document, samples, chosen)
    return Verdict(chosen, corners, pictures, exchange is not None, (*decisions, decision), (*warnings, *doubts))


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
    found: dict[int, _Paint] = {}
    for sample in samples:
        if sample.picture is not None:
            masks = sample.masks(sample.orders(unstated), document.width, document.height)
            found[sample.record.frame_index] = _look_for_paint(sample, sample.picture, masks)
    judged = [paint for paint in found.values() if paint.contour.pixels >= LEAST_CONTOUR]
    shares = [paint.contour.share for paint in judged if paint.contour.share is not None]
    certain = [paint.certain for paint in judged]
    if not judged:
        total = sum((paint.contour for paint in found.values()), Agreement(0, 0))
        shares = [] if total.share is None else [total.share]
        certain = shares
    warnings = []
    choice = ImageOrigin.EXPORT_OVERLAY
    elsewhere = {index: paint.stray for index, paint in found.items() if paint.stray is not None and paint.beside}
    misplaced = {
        str(index): round(stray.edges.share or 0.0, 4)
        for index, stray in elsewhere.items()
        if stray.edges.pixels >= LEAST_CONTOUR and (stray.edges.share or 0.0) < PAINTED
    }
    if elsewhere:
        frames = ", ".join(map(str, elsewhere))
        warnings.append(
            f"overlay: in frames {frames}, outlines are painted where no mask has its edge, so all pictures are taken "
            "as painted"
        )
    elif not shares:
        warnings.append("overlay: no contour to look for in any picture, so pictures are taken as painted")
    elif max(certain) < _CLEAN:
        choice = ImageOrigin.EXPORT_CLEAN
    elif min(shares) < PAINTED:
        warnings.append("overlay: only part of the contours was found, so all pictures are taken as painted")
    evidence: dict[str, object] = {
        "contour_agreement": {str(index): paint.figures() for index, paint in found.items()},
        "clean_below": _CLEAN,
    }
    if misplaced:
        evidence[OUTLINED_ELSEWHERE] = misplaced
    return choice, Decision(PICTURES, str(choice), evidence), warnings


@dataclass(frozen=True)
class _Paint:
    """How much of the contours a picture shows; ``chance`` and ``inside`` only where that leaves a doubt.

    Args:
        contour: along the contours.
        chance: along the same contours, moved aside, where nothing was drawn.
        inside: along the half of them that lies on the objects.
        stray: contours elsewhere; only looked for where those of the masks are not there.
    """

    contour: Agreement
    chance: Agreement | None = None
    inside: Agreement | None = None
    stray: Stray | None = None

    @property
    def beside(self) -> bool:
        """Whether contours were painted elsewhere than around the masks."""
        return self.stray is not None and self.stray.beside >= LEAST_STRAY

    @property
    def certain(self) -> float:
        """Share of the contours that was painted, as far as neither chance nor what lies behind explains it.

        Pictures of few, pure colours have those of the palette everywhere, and on contours no more than elsewhere. In
        front of a green screen the outer half of a contour is green in any case, and only the inner half tells.
        """
        share = self.contour.share or 0.0
        if self.chance is None or self.inside is None:
            return share
        inside = self.inside.share or 0.0
        if share >= PAINTED:
            return share if inside >= _PAINTED_INSIDE else 0.0
        return min(share - (self.chance.share or 0.0), inside)

    def figures(self) -> dict[str, object]:
        """For ``import.json``."""
        share = self.contour.share
        figures: dict[str, object] = {
            "share": None if share is None else round(share, 4),
            "pixels": self.contour.pixels,
        }
        for name, agreement in (("chance", self.chance), ("inside", self.inside)):
            if agreement is not None:
                figures[name] = round(agreement.share or 0.0, 4)
        if self.stray is not None and self.beside:
            figures["pixels_beside"] = self.stray.beside
        return figures


def _look_for_paint(sample: SampledFrame, picture: Pixels, masks: Sequence[Mask]) -> _Paint:
    contour = contour_agreement(picture, masks)
    share = contour.share or 0.0
    if share >= _SURELY_PAINTED:
        return _Paint(contour)
    paint = _Paint(contour)
    if share >= _CLEAN:
        paint = _Paint(contour, chance_agreement(picture, masks), contour_agreement(picture, masks, inside=True))
    return paint if share >= PAINTED else replace(paint, stray=stray_lines(picture, sample.record, masks))
