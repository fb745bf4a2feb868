"""What the demo paints into its pictures, and how well a picture agrees with masks painted that way.

The exporter tints each object, draws a 2 px contour of ``PALETTE[k % 8]`` around its enlarged mask (``k``: place in
the frame's list, not the id), then a black label box above it; later objects are painted over earlier ones. Contour
pixels are the evidence: on real exports 0.92 to 1.00 of those that tell have the expected colour for the right scan
order and none for the wrong one; in clean frames none have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sam2_assets.exports.document import FrameRecord, ObjectRecord
from sam2_assets.exports.pictures import Pixels

PALETTE: Final = (
    (0, 255, 0),
    (255, 0, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 255),
    (128, 255, 0),
    (255, 128, 0),
)
"""Colours of objects, in OpenCV's channel order (blue, green, red)."""

_CONTOUR: Final = 2
_TINT: Final = 0.3
# pictures saved again as JPEG keep their contours only roughly
_TOLERANCE: Final = 40
_FONT: Final = 20
_LABEL_GAP: Final = 10
_MARGIN: Final = 8
# pixels: clear of a contour and what JPEG smears around it
_ASIDE: Final = 12
# pixels: wider than any contour; what such a square fits into is an area
_AREA: Final = 5
LEAST_STRAY: Final = 50
"""Pixels of stray lines from which on they are paint and not chance."""

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Agreement:
    """Contour pixels that have their object's colour, of how many."""

    agreeing: int
    pixels: int

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.agreeing + other.agreeing, self.pixels + other.pixels)

    @property
    def share(self) -> float | None:
        """0..1; None if there was no contour to look at."""
        return self.agreeing / self.pixels if self.pixels else None


def contour_agreement(
    picture: Pixels, masks: Sequence[Mask], against: Sequence[Mask] | None = None, *, inside: bool = False
) -> Agreement:
    """Compare a picture with the contours the exporter would have drawn.

    Args:
        picture: ``(height, width, 3)`` blue, green, red.
        masks: the frame's masks, enlarged to ``(height, width)``, in the document's order.
        against: another reading of the same masks; contour pixels that both share tell nothing and are left out.
        inside: only the half of each contour that lies on the object itself; the other half lies on what is behind it.
    """
    window = _window(masks)
    if window is None:
        return Agreement(0, 0)
    top = window[0].start
    picture = picture[window]
    expected = np.zeros(picture.shape, np.float32)
    telling = np.zeros(picture.shape[:2], bool)
    tints = np.zeros(picture.shape[:2], np.uint8)
    for k, whole in enumerate(masks):
        mask = np.ascontiguousarray(whole[window])
        colour = np.array(PALETTE[k % len(PALETTE)], np.float32)
        tinted = telling & (mask > 0)
        expected[tinted] = np.minimum(expected[tinted] + _TINT * colour, 255)
        tints[tinted] += 1
        line = _contour(mask)
        expected[line] = colour
        tints[line] = 0
        telling[line] = mask[line] > 0 if inside else True
        _ignore_label_rows(telling, line, mask, top)
        if against is not None:
            # not cut before: cutting would make outlines of holes
            telling[line & _contour(against[k])[window]] = False
    # two tints over a contour come close to white, which clean pictures have too
    telling &= tints < 2
    distance = np.abs(picture[telling] - expected[telling]).max(axis=1, initial=0)
    return Agreement(int((distance <= _TOLERANCE).sum()), int(telling.sum()))


@dataclass(frozen=True)
class Stray:
    """Thin lines in exactly the exporter's colours, and how they lie to the masks.

    Args:
        beside: pixels of such lines where the exporter draws nothing around these masks. 0 on all real exports, up to
            21 on the sample; 1 679 and more where masks were those of the next annotated frame, or of another video.
        edges: the masks' contours, and how much of them has any of the colours: an object that was taken out of the
            list leaves its contour behind, and moves the others to other colours.
    """

    beside: int
    edges: Agreement


def stray_lines(picture: Pixels, frame: FrameRecord, masks: Sequence[Mask]) -> Stray:
    """Look for contours that were painted somewhere else than around ``masks``.

    Only exact colours count, so that nothing is found in pictures that were coded again as JPEG, nor, short of a
    drawing, in footage. Pictures with areas in these colours (a green screen) tell nothing.

    Args:
        picture: ``(height, width, 3)`` blue, green, red.
        frame: the record of the frame.
        masks: its masks, at least one, enlarged to ``(height, width)``, in the document's order.
    """
    pure, lines = _thin_lines(picture)
    if lines is None:
        return Stray(0, Agreement(0, 0))
    edges = np.zeros(lines.shape, bool)
    covered = np.sum([mask > 0 for mask in masks], axis=0)
    for mask in masks:
        # what lies on another object was tinted, or painted over
        edges |= _contour(mask) & (covered - (mask > 0) == 0)
    beside = lines & ~_outlined_region(frame, masks)
    return Stray(
        int(np.count_nonzero(beside)),
        Agreement(int(np.count_nonzero(edges & (pure > 0))), int(np.count_nonzero(edges))),
    )


def stray_region(picture: Pixels, frame: FrameRecord, masks: Sequence[Mask]) -> npt.NDArray[np.bool_]:
    """Where objects that ``masks`` lack were painted, ``(height, width)``: what their outlines enclose, generously.

    Arguments as of ``stray_lines``.
    """
    region = np.zeros(picture.shape[:2], np.uint8)
    _, lines = _thin_lines(picture)
    if lines is None:
        return region > 0
    beside = lines & ~_outlined_region(frame, masks)
    if np.count_nonzero(beside) < LEAST_STRAY:
        return region > 0
    for colour in PALETTE:
        # an outline is broken where others were painted over it
        points = cv2.findNonZero((beside & (picture == colour).all(axis=2)).astype(np.uint8))
        if points is not None:
            cv2.fillConvexPoly(region, cv2.convexHull(points), 1)
    return np.asarray(cv2.dilate(region, np.ones((_MARGIN + 1, _MARGIN + 1), np.uint8)), np.uint8) > 0


def _thin_lines(picture: Pixels) -> tuple[Mask, npt.NDArray[np.bool_] | None]:
    """Pixels in exactly a colour of the palette, and those of them in lines; None if most are in areas."""
    pure = np.zeros(picture.shape[:2], np.uint8)
    for colour in PALETTE:
        exact = np.array(colour, np.uint8)
        pure |= np.asarray(cv2.inRange(picture, exact, exact), np.uint8)
    areas = cv2.morphologyEx(pure, cv2.MORPH_OPEN, np.ones((_AREA, _AREA), np.uint8))
    lines = (pure > 0) & (areas == 0)
    return pure, None if 2 * np.count_nonzero(lines) < np.count_nonzero(pure) else lines


def _outlined_region(frame: FrameRecord, masks: Sequence[Mask]) -> npt.NDArray[np.bool_]:
    """``drawn_region``, also along the edge of the picture where that cuts a mask off."""
    region = drawn_region(frame, masks)
    for mask in masks:
        region |= cv2.dilate(_contour(mask).astype(np.uint8), np.ones((_MARGIN + 1, _MARGIN + 1), np.uint8)) > 0
    return region


def _window(masks: Sequence[Mask]) -> tuple[slice, slice] | None:
    """Rows and columns in which all contours lie: looking at the rest of the picture takes most of the time."""
    boxes = [(x, y, x + w, y + h) for x, y, w, h in map(cv2.boundingRect, masks) if w]
    if not boxes:
        return None
    height, width = masks[0].shape
    left, top, right, bottom = np.array(boxes).T
    room = 2 * _CONTOUR
    return (
        slice(max(0, int(top.min()) - room), min(height, int(bottom.max()) + room)),
        slice(max(0, int(left.min()) - room), min(width, int(right.max()) + room)),
    )


def chance_agreement(picture: Pixels, masks: Sequence[Mask]) -> Agreement:
    """What ``contour_agreement`` finds where nothing was drawn: along the same contours, moved aside both ways.

    Pictures of few, pure colours have those of the palette everywhere, and on contours no more than elsewhere.
    """
    found = Agreement(0, 0)
    for aside in (_ASIDE, -_ASIDE):
        moved = [np.roll(mask, (aside, aside), (0, 1)) for mask in masks]
        found += contour_agreement(picture, moved, masks)
    return found


def _ignore_label_rows(telling: npt.NDArray[np.bool_], line: npt.NDArray[np.bool_], mask: Mask, top: int) -> None:
    """Leave out the contour at the top of the picture if the label box, pushed down from the edge, lies on it.

    The first row of ``mask`` is row ``top`` of the picture.
    """
    _, y, _, _ = cv2.boundingRect(mask)
    if top + y < _FONT + _LABEL_GAP:
        rows = slice(0, max(0, _FONT + _MARGIN - top))
        telling[rows] &= ~line[rows]


def _contour(mask: Mask) -> npt.NDArray[np.bool_]:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    line = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(line, outlines, -1, 1, _CONTOUR)
    return line > 0


def painted_region(frame: FrameRecord, masks: Sequence[Mask]) -> npt.NDArray[np.bool_]:
    """Where the exporter may have painted, ``(height, width)``: masks with their contours, and label boxes.

    Label boxes are taken generously (a full square of the font a character), since the font is not known.
    """
    region = np.zeros(masks[0].shape, np.uint8)
    for record, mask in zip(frame.objects, masks, strict=True):
        region |= np.asarray(cv2.dilate(mask, np.ones((_MARGIN + 1, _MARGIN + 1), np.uint8)), np.uint8)
        x, y, w, _ = cv2.boundingRect(mask)
        if w:
            _add_label_box(region, record, x, y)
    return region > 0


def _add_label_box(region: Mask, record: ObjectRecord, x: int, y: int) -> None:
    lines = record.label.split("\n")
    baseline = max(_FONT, y - _LABEL_GAP)
    top = max(0, baseline - _FONT * (len(lines) + 1) - _MARGIN)
    right = x + _FONT * max(len(line) for line in lines) + _MARGIN
    region[top : baseline + _MARGIN, max(0, x - _MARGIN) : right] = 1


def drawn_region(frame: FrameRecord, masks: Sequence[Mask]) -> npt.NDArray[np.bool_]:
    """Where the exporter may have drawn over the picture (contours, label boxes), ``(height, width)``.

    The rest of ``painted_region`` is only tinted, see ``tint``.
    """
    region = np.zeros(masks[0].shape, np.uint8)
    kernel = np.ones((_MARGIN + 1, _MARGIN + 1), np.uint8)
    for record, mask in zip(frame.objects, masks, strict=True):
        region |= np.asarray(cv2.dilate(mask, kernel), np.uint8) & ~np.asarray(cv2.erode(mask, kernel), np.uint8)
        x, y, w, _ = cv2.boundingRect(mask)
        if w:
            _add_label_box(region, record, x, y)
    return region > 0


def tint(masks: Sequence[Mask]) -> Pixels:
    """What the exporter adds to each pixel before it draws, ``(height, width, 3)``; sums stop at 255."""
    added = np.zeros((*masks[0].shape, 3), np.float32)
    for k, mask in enumerate(masks):
        added[mask > 0] += _TINT * np.array(PALETTE[k % len(PALETTE)], np.float32)
    return np.asarray(np.minimum(added, 255).round(), np.uint8)
