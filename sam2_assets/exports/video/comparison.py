"""How well a frame of a video agrees with a picture of the export, with the burnt-in overlay taken into account.

Three measures, from cheap to strict. **Thumbnail** distance finds the neighbourhood in a long video. **Detail**
distance tells a frame from its neighbours: mean absolute difference at up to 480 pixels across, inside masks with the
tint added to the candidate, contours and labels left out. **Agreement** decides: the share of pixels the exporter
did not paint that agree. The demo's own file must agree pixel by pixel; the upload differs by the demo's compression,
so that both sides are smoothed first and only brightness counts. On real footage 0.99 or more of the smoothed pixels
agree in the right frame, 0.27 to 0.63 in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from sam2_assets.exports.document import Order
from sam2_assets.exports.overlay import drawn_region, painted_region, stray_region, tint
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.sampling import SampledFrame
from sam2_assets.tables import ImageOrigin

TOLERANCE: Final = 16
"""Largest difference of a channel, in levels of 0..255, at which two pixels agree."""
SMOOTH_TOLERANCE: Final = 8
"""Largest difference of brightness, in levels of 0..255, at which two smoothed pixels agree."""
LEAST_AGREEMENT: Final = 0.9
THUMBNAIL: Final = (48, 27)
"""Width and height of thumbnails, whatever the frame's shape."""
_SMOOTHING: Final = 2.0
_LEAST_UNPAINTED: Final = 0.02
_BLACK: Final = 8
_DETAIL: Final = 480
_WHOLE: Final = 0.99
_LEAST_CELLS: Final = 40


@dataclass(frozen=True)
class Reference:
    """A picture of the export, ready to be compared with frames.

    Args:
        index: its frame index.
        picture: small, ``(h, w, 3)``.
        tint: what the exporter added to each pixel, same shape.
        comparable: pixels that are not drawn over, ``(h, w)``.
        thumbnail: brightness, ``(27, 48)``.
        cells: thumbnail cells free of paint, same shape.
    """

    index: int
    picture: Pixels
    tint: Pixels
    comparable: npt.NDArray[np.bool_]
    thumbnail: npt.NDArray[np.float32]
    cells: npt.NDArray[np.bool_]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what ``detail`` compares."""
        return self.picture.shape[1], self.picture.shape[0]

    def detail(self, candidate: Pixels) -> float:
        """Mean absolute difference, levels of 0..255, to a frame of ``size`` painted as the exporter paints."""
        painted = cv2.add(candidate, self.tint)
        difference = cv2.absdiff(painted, self.picture)[self.comparable]
        return float(difference.mean())

    def thumbnails(self, brightness: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Mean absolute difference, levels of 0..255, to many thumbnails ``(n, 27, 48)``."""
        wanted = self.thumbnail[self.cells]
        distances = np.empty(len(brightness), np.float32)
        for low in range(0, len(brightness), 4096):
            block = brightness[low : low + 4096][:, self.cells].astype(np.float32)
            distances[low : low + 4096] = np.abs(block - wanted).mean(axis=1)
        return distances


def reference(sample: SampledFrame, unstated: Order, pictures: ImageOrigin) -> Reference | None:
    """Prepare a picture; None if it is absent, black or has too little to compare.

    Args:
        sample: the frame.
        unstated: scan order of masks that do not state one.
        pictures: whether the export's pictures are painted.
    """
    if sample.picture is None or int(sample.picture.max()) <= _BLACK:
        return None
    height, width = sample.picture.shape[:2]
    drawn = np.zeros((height, width), bool)
    painted, added = drawn, np.zeros_like(sample.picture)
    if pictures is ImageOrigin.EXPORT_OVERLAY and sample.record.objects:
        masks = sample.masks(sample.orders(unstated), width, height)
        stray = stray_region(sample.picture, sample.record, masks)
        drawn, painted = drawn_region(sample.record, masks) | stray, painted_region(sample.record, masks) | stray
        added = tint(masks)
    across = min(_DETAIL, width)
    size = (across, max(1, round(height * across / width)))
    comparable = _shrunk(1 - drawn.astype(np.float32), size) > _WHOLE
    cells = _shrunk(1 - painted.astype(np.float32), THUMBNAIL) > _WHOLE
    if comparable.mean() < _LEAST_UNPAINTED:
        return None
    if cells.sum() < _LEAST_CELLS:
        cells = np.ones_like(cells)
    return Reference(
        index=sample.record.frame_index,
        picture=np.asarray(cv2.resize(sample.picture, size, interpolation=cv2.INTER_AREA), np.uint8),
        tint=np.asarray(cv2.resize(added, size, interpolation=cv2.INTER_AREA), np.uint8),
        comparable=comparable,
        thumbnail=_shrunk(_brightness(sample.picture).astype(np.float32), THUMBNAIL),
        cells=cells,
    )


def agreement(
    sample: SampledFrame, pixels: Pixels, unstated: Order, pictures: ImageOrigin, *, smoothed: bool
) -> float | None:
    """Share of unpainted pixels that agree, 0..1; None if the picture is absent, black or painted all over.

    Args:
        sample: the frame of the export.
        pixels: the frame of the video, at the export's size.
        unstated: scan order of masks that do not state one.
        pictures: whether the export's pictures are painted.
        smoothed: compare smoothed brightness instead of every channel of every pixel.
    """
    if sample.picture is None or int(sample.picture.max()) <= _BLACK:
        return None
    height, width = pixels.shape[:2]
    unpainted = np.ones((height, width), bool)
    if pictures is ImageOrigin.EXPORT_OVERLAY and sample.record.objects:
        masks = sample.masks(sample.orders(unstated), width, height)
        unpainted = ~(painted_region(sample.record, masks) | stray_region(sample.picture, sample.record, masks))
    if unpainted.mean() < _LEAST_UNPAINTED:
        return None
    if smoothed:
        ours, theirs = (_smooth(_brightness(each), unpainted) for each in (pixels, sample.picture))
        return float((np.abs(ours[unpainted] - theirs[unpainted]) <= SMOOTH_TOLERANCE).mean())
    difference = np.abs(sample.picture[unpainted].astype(np.int16) - pixels[unpainted]).max(axis=1)
    return float((difference <= TOLERANCE).mean())


def brightness_thumbnail(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Brightness of a frame that was scaled to ``THUMBNAIL``."""
    return _brightness(pixels)


def _brightness(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def _shrunk(values: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _smooth(values: npt.NDArray[np.uint8], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Gaussian mean of the values at ``where`` only, so that no paint leaks in."""
    weights = where.astype(np.float32)
    total = cv2.GaussianBlur(values.astype(np.float32) * weights, (0, 0), _SMOOTHING)
    return np.asarray(total / np.maximum(cv2.GaussianBlur(weights, (0, 0), _SMOOTHING), 1e-6), np.float32)
