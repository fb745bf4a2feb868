"""The brush: drawing a sprite (a small picture with a silhouette) and noise textures with numpy and OpenCV.

Coordinates on a canvas are unit coordinates: x to the right and y downwards, both from -1 to 1.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]] | npt.NDArray[np.float64]

SPRITE_SIDE = 384
_OVERSAMPLING = 2
_FRACTION_BITS = 4


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """An RGB colour 0..255 from hue in turns, saturation and value in 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return red * 255, green * 255, blue * 255


def noise(
    rng: np.random.Generator, height: int, width: int, cells: tuple[float, float], octaves: int = 4, fade: float = 0.5
) -> Floats:
    """Smooth noise in 0..1, ``height x width``; ``cells`` are the coarsest octave's cells down and across."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows, columns = (max(2, round(count * 2**octave)) for count in cells)
        grid = rng.random((rows, columns), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= fade
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def gradient(amount: Floats, colours: Sequence[Colour]) -> Floats:
    """RGB for a map of 0..1, along the evenly spaced ``colours``; ``(h, w) -> (h, w, 3)``."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(amount, stops, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def smooth(points: Points, steps: int = 12) -> npt.NDArray[np.float64]:
    """A closed Catmull-Rom curve through ``points``, as ``(n, 2)`` unit coordinates."""
    knots = np.asarray(points, np.float64)
    before, after, beyond = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (array[:, None, :] for array in (before, knots, after, beyond))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return np.asarray(curve.reshape(-1, 2), np.float64)


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 64) -> npt.NDArray[np.float64]:
    """An ellipse's outline in unit coordinates, ``(steps, 2)``."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


@dataclass(frozen=True)
class Sprite:
    """A painted thing: premultiplied RGBA pictures from large to small, all spanning the unit square.

    ``fill`` is the part of the square that the silhouette covers, 0..1.
    """

    levels: tuple[Image, ...]
    fill: float

    def level_for(self, side: float) -> Image:
        """The smallest picture that is at least about ``side`` pixels wide, so that shrinking never aliases."""
        for picture in reversed(self.levels):
            if picture.shape[0] >= 0.8 * side:
                return picture
        return self.levels[0]


class Canvas:
    """A sprite in the making; ``add`` grows the silhouette, ``mark`` only paints inside it."""

    def __init__(self) -> None:
        self.side = SPRITE_SIDE * _OVERSAMPLING
        self.rgb = np.zeros((self.side, self.side, 3), np.float32)
        self.inside = np.zeros((self.side, self.side), np.float32)
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) * (2 / self.side) - 1
        self.x, self.y = np.meshgrid(axis, axis)

    def _stencil(self) -> Image:
        return np.zeros((self.side, self.side), np.uint8)

    def _pixels(self, points: Points) -> list[npt.NDArray[np.int32]]:
        pixels = (np.asarray(points, np.float64) + 1) * (self.side / 2) * 2**_FRACTION_BITS
        return [np.round(pixels).astype(np.int32)]

    def _polygon(self, points: Points) -> Floats:
        stencil = self._stencil()
        cv2.fillPoly(stencil, self._pixels(points), 255, cv2.LINE_AA, _FRACTION_BITS)
        return np.divide(stencil, 255, dtype=np.float32)

    def _stroke(self, points: Points, width: float) -> Floats:
        stencil = self._stencil()
        thickness = max(1, round(width * self.side / 2))
        cv2.polylines(stencil, self._pixels(points), False, 255, thickness, cv2.LINE_AA, _FRACTION_BITS)
        return np.divide(stencil, 255, dtype=np.float32)

    def _blend(self, stencil: Floats, colour: Colour | Floats) -> None:
        rows, columns = np.flatnonzero(stencil.any(axis=1)), np.flatnonzero(stencil.any(axis=0))
        if not rows.size:
            return
        # Most strokes are small: only their own rectangle is worth touching.
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        paint = np.asarray(colour, np.float32)
        self.rgb[part] += stencil[part][..., None] * ((paint[part] if paint.ndim == 3 else paint) - self.rgb[part])

    def add(self, points: Points, colour: Colour | Floats) -> Floats:
        """Fill a polygon and make it part of the silhouette; returns its stencil (0..1)."""
        stencil = self._polygon(points)
        self._blend(stencil, colour)
        self.inside = np.maximum(self.inside, stencil)
        return stencil

    def add_stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draw an open line ``width`` units thick and make it part of the silhouette."""
        stencil = self._stroke(points, width)
        self._blend(stencil, colour)
        self.inside = np.maximum(self.inside, stencil)

    def mark(self, points: Points, colour: Colour | Floats, within: Floats | None = None) -> None:
        """Fill a polygon where the silhouette (or the stencil ``within``) already is."""
        self._blend(self._polygon(points) * (self.inside if within is None else within), colour)

    def mark_stroke(self, points: Points, width: float, colour: Colour, within: Floats | None = None) -> None:
        """Draw an open line where the silhouette (or the stencil ``within``) already is."""
        self._blend(self._stroke(points, width) * (self.inside if within is None else within), colour)

    def tint(self, amount: Floats, colour: Colour | Floats, within: Floats | None = None) -> None:
        """Blend ``colour`` in by a map of 0..1 where the silhouette (or ``within``) already is."""
        self._blend(amount * (self.inside if within is None else within), colour)

    def finish(self, grain: Floats, relief: float = 0.35) -> Sprite:
        """Round the form with light from the upper left, darken its rim, and shrink it to the sprite's sizes.

        Args:
            grain: surface noise 0..1, ``(side, side)``; brightness follows it by up to 15 %.
            relief: how much darker the rim is than the middle.
        """
        depth = cv2.distanceTransform((self.inside > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        dome = np.sqrt(np.clip(depth / (0.16 * self.side), 0, 1))
        dome = cv2.GaussianBlur(dome, (0, 0), self.side / 100)
        light = cv2.Sobel(dome, cv2.CV_32F, 1, 0) + cv2.Sobel(dome, cv2.CV_32F, 0, 1)
        shade = (1 - relief) + relief * dome + np.clip(light * 1.6, -0.16, 0.16) + 0.15 * (grain - 0.5)
        rim = np.clip(1 - depth / (0.012 * self.side), 0, 1)
        shaded = np.clip(self.rgb * (shade * (1 - 0.55 * rim))[..., None], 0, 255)
        rgba = np.dstack([shaded * self.inside[..., None], self.inside * 255])
        sides = (SPRITE_SIDE, SPRITE_SIDE // 2, SPRITE_SIDE // 4)
        levels = [np.round(cv2.resize(rgba, (side, side), interpolation=cv2.INTER_AREA)) for side in sides]
        return Sprite(tuple(level.astype(np.uint8) for level in levels), float((self.inside > 0.5).mean()))
