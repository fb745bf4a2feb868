"""What the demo's exporter burns into its pictures: tint, contour and label of every object.

Measured on the exporter's own files: each object in turn gets its palette colour added at 30 %, its outer contours
two pixels thick, and its label in white on a black box above the upper left corner of its mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from sam2_assets.sample.paint import Image

PALETTE_BGR: tuple[tuple[int, int, int], ...] = (
    (0, 255, 0),
    (255, 0, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 255),
    (128, 255, 0),
    (255, 128, 0),
)
_TINT = 0.3
_CONTOUR_PX = 2


def burn_in(bgr: Image, objects: Sequence[tuple[str, Image]]) -> Image:
    """A copy of ``bgr`` with the overlays painted in, one object after the other.

    Args:
        bgr: the frame, uint8, ``(height, width, 3)``, blue first.
        objects: ``(label, mask)`` each; an object's colour goes by its place in this list, not by its id. A mask is
            uint8 0/1 on any grid that spans the frame and is enlarged to it by nearest neighbour. Empty masks leave
            no trace.
    """
    painted = bgr.copy()
    height, width = painted.shape[:2]
    for place, (label, mask) in enumerate(objects):
        full = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        if not full.any():
            continue
        colour = PALETTE_BGR[place % len(PALETTE_BGR)]
        layer = np.zeros_like(painted)
        layer[full > 0] = colour
        painted = cv2.addWeighted(painted, 1.0, layer, _TINT, 0).astype(np.uint8, copy=False)
        contours, _ = cv2.findContours(full, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(painted, contours, -1, colour, _CONTOUR_PX)
        left, top, _, _ = cv2.boundingRect(full)
        painted = _write_label(painted, label, int(left), int(top))
    return painted


def _write_label(bgr: Image, label: str, left: int, top: int) -> Image:
    """The label in Pillow's built-in 10 px font, which the exporter falls back to."""
    font = ImageFont.load_default(10)
    picture = PillowImage.fromarray(bgr)
    draw = ImageDraw.Draw(picture)
    x0, y0, x1, y1 = draw.textbbox((0, 0), label, font=font)
    wide, high, line = x1 - x0, y1 - y0, max(20, top - 10)
    draw.rectangle((left - 2, line - high - 5, left + wide + 2, line + 5), fill=(0, 0, 0))
    draw.text((left, line - high - 2), label, font=font, fill=(255, 255, 255))
    return np.array(picture)
