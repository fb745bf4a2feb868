"""Whether the pictures of an export have the video's colours: red and blue exchanged, or a network's numbers.

A picture alone does not tell that its channels are exchanged. What was painted into it does: the exporter's contours
have known colours, and six of the eight are others when red and blue change places. For clean pictures there is the
source video (``video.match``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.overlay import PALETTE, Agreement, Mask, chance_agreement, contour_agreement
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.sampling import SampledFrame
from sam2_assets.pixels import wrapped_share

MOST_WRAPPED: Final = 0.01
"""Of a picture that can be compared with a video: the default of ``quality.max_wrapped_share``."""
_EXCHANGED: Final = 0.5
_MARGIN: Final = 0.2
_FRAMES: Final = 2
_TELLS: Final = tuple(colour != colour[::-1] for colour in PALETTE)


def exchanged(picture: Pixels) -> Pixels:
    """The picture with red and blue exchanged."""
    return np.ascontiguousarray(picture[..., ::-1])


def exchanged_sample(sample: SampledFrame) -> SampledFrame:
    """The frame with such a picture."""
    return sample if sample.picture is None else dataclasses.replace(sample, picture=exchanged(sample.picture))


def look_for_exchange(document: Document, samples: Sequence[SampledFrame]) -> dict[str, object] | None:
    """The figures, if the painted contours show that red and blue are exchanged; None if they do not.

    Looks at few frames, in both scan orders, and at contours whose colour would change. The others must be there too:
    an object that was taken out of the list by hand moves those behind it to other colours, among them blue for red.
    """
    as_written = {order: Agreement(0, 0) for order in Order}
    other = {order: Agreement(0, 0) for order in Order}
    chance = {order: Agreement(0, 0) for order in Order}
    unmoved = {order: Agreement(0, 0) for order in Order}
    frames = []
    for sample in samples:
        if sample.picture is None or not any(_TELLS[: len(sample.lengths)]):
            continue
        frames.append(sample.record.frame_index)
        turned = exchanged(sample.picture)
        for order in Order:
            whole = sample.masks(sample.orders(order), document.width, document.height)
            masks = _telling(whole)
            as_written[order] += contour_agreement(sample.picture, masks)
            other[order] += contour_agreement(turned, masks)
            unmoved[order] += contour_agreement(turned, _telling(whole, tells=False))
            if (other[order].share or 0.0) >= _EXCHANGED:
                chance[order] += chance_agreement(turned, masks)
        if len(frames) == _FRAMES:
            break
    best = max(Order, key=lambda order: other[order].share or 0.0)
    share = other[best].share or 0.0
    explained = max((as_written[order].share or 0.0) for order in Order), chance[best].share or 0.0
    if share < _EXCHANGED or share - max(explained) < _MARGIN:
        return None
    rest = unmoved[best].share
    if rest is not None and rest < share / 2:
        return None
    return {
        "contour_agreement": {"as written": round(explained[0], 4), "exchanged": round(share, 4)},
        "chance": round(explained[1], 4),
        "contour_pixels": other[best].pixels,
        "frames": frames,
    }


def _telling(masks: Sequence[Mask], *, tells: bool = True) -> list[Mask]:
    """The masks, those emptied whose contours would have the same colour; or the others emptied."""
    return [mask if _TELLS[k % len(_TELLS)] is tells else np.zeros_like(mask) for k, mask in enumerate(masks)]


def comparable(sample: SampledFrame) -> SampledFrame:
    """The frame without its picture, if that was drawn on a network's numbers: no video looks like it."""
    if sample.picture is None or wrapped_share(sample.picture) <= MOST_WRAPPED:
        return sample
    return dataclasses.replace(sample, picture=None)
