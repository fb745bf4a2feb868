"""The places: a large still picture a video, through which the camera's window moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sam2_assets.sample.choreography import HEIGHT, WIDTH
from sam2_assets.sample.paint import Colour, Floats, Image, gradient, hsv, noise

_SHAPE = (HEIGHT + 100, int(WIDTH * 2.5) + 200)


def _grid() -> tuple[Floats, Floats]:
    """Pixel columns and rows."""
    rows, columns = np.indices(_SHAPE, dtype=np.float32)
    return columns, rows


def _depth() -> Floats:
    """0 at the top to 1 at the bottom."""
    return np.divide(_grid()[1], _SHAPE[0], dtype=np.float32)


def _mix(below: Floats, colour: Colour, amount: Floats) -> Floats:
    """``colour`` over ``below`` by a map of 0..1."""
    return np.asarray(below + amount[..., None] * (np.asarray(colour, np.float32) - below), np.float32)


def _reef(rng: np.random.Generator) -> Floats:
    """Blue-green water with a net of light."""
    hue = rng.uniform(0.5, 0.56)
    rays = 1 - np.abs(noise(rng, *_SHAPE, (8, 26), 3) - 0.5) * 2
    water = gradient(_depth(), [hsv(hue, 0.6, 0.72), hsv(hue + 0.03, 0.75, 0.48), hsv(hue + 0.05, 0.8, 0.3)])
    return _mix(water, (215, 255, 255), 0.3 * rays**8)


def _sky(rng: np.random.Generator) -> Floats:
    """Light sky with heaps of cloud."""
    hue = rng.uniform(0.56, 0.6)
    clouds = np.clip(noise(rng, *_SHAPE, (4, 12), 5) * 2.2 - 0.75, 0, 1)
    sky = gradient(_depth(), [hsv(hue, 0.55, 0.85), hsv(hue - 0.02, 0.3, 0.95)])
    return _mix(sky, (236, 238, 242), clouds)


def _meadow(rng: np.random.Generator) -> Floats:
    """Grass in tufts with pale flowers."""
    hue = rng.uniform(0.22, 0.27)
    tufts = 0.6 * noise(rng, *_SHAPE, (6, 22), 3) + 0.4 * noise(rng, *_SHAPE, (10, 160), 2)
    grass = gradient(tufts, [hsv(hue + 0.04, 0.75, 0.25), hsv(hue, 0.65, 0.45), hsv(hue - 0.05, 0.6, 0.65)])
    x, y = _grid()
    for cx, cy in rng.uniform((0, 0), (_SHAPE[1], _SHAPE[0]), (60, 2)):
        left, top = max(int(cx) - 8, 0), max(int(cy) - 8, 0)
        window = np.s_[top : top + 17, left : left + 17]
        petal = np.clip(5.5 - np.hypot(x[window] - cx, y[window] - cy), 0, 1).astype(np.float32)
        grass[window] = _mix(grass[window], (235, 225, 200), petal)
    return grass


def _dunes(rng: np.random.Generator) -> Floats:
    """Sand with wind ripples."""
    hue = rng.uniform(0.09, 0.12)
    x, y = _grid()
    warp = noise(rng, *_SHAPE, (4, 10), 3)
    ripples = 0.5 + 0.5 * np.sin(y * 0.16 + x * 0.025 + warp * 30)
    return gradient(0.35 * ripples + 0.65 * warp, [hsv(hue, 0.5, 0.5), hsv(hue, 0.42, 0.7), hsv(hue, 0.3, 0.88)])


def _city(rng: np.random.Generator) -> Floats:
    """House fronts at night with some lit windows."""
    hue = rng.uniform(0.62, 0.7)
    night = gradient(_depth(), [hsv(hue, 0.6, 0.2), hsv(hue + 0.04, 0.5, 0.34)])
    left = 0
    while left < _SHAPE[1]:
        width, top = int(rng.integers(70, 150)), int(rng.integers(30, 220))
        wall = np.array(hsv(hue + rng.uniform(-0.05, 0.05), 0.35, rng.uniform(0.16, 0.3)), np.float32)
        night[top:, left : left + width] = wall
        for wy in range(top + 14, _SHAPE[0] - 20, 30):
            for wx in range(left + 10, left + width - 18, 24):
                lit = rng.random() < 0.35
                night[wy : wy + 16, wx : wx + 11] = hsv(0.12, 0.5, rng.uniform(0.6, 0.8)) if lit else wall * 0.65
        left += width + 4
    return np.asarray(night + (noise(rng, *_SHAPE, (8, 28), 3) * 18)[..., None], np.float32)


def _bricks(rng: np.random.Generator) -> Floats:
    """A weathered brick wall."""
    hue = rng.uniform(0.02, 0.05)
    x, y = _grid()
    row = np.floor(y / 28)
    column = np.floor((x + (row % 2) * 36) / 72)
    tone = rng.random((64, 64), dtype=np.float32)[row.astype(np.int64) % 64, column.astype(np.int64) % 64]
    wall = gradient(tone, [hsv(hue, 0.4, 0.38), hsv(hue + 0.02, 0.38, 0.5), hsv(hue + 0.03, 0.32, 0.58)])
    mortar = ((y % 28) < 4) | (((x + (row % 2) * 36) % 72) < 4)
    wall[mortar] = (150, 144, 136)
    return np.asarray(wall * (0.8 + 0.4 * noise(rng, *_SHAPE, (10, 34), 4))[..., None], np.float32)


def _planks(rng: np.random.Generator) -> Floats:
    """Upright boards with grain."""
    hue = rng.uniform(0.07, 0.1)
    x, _ = _grid()
    board = np.floor(x / 88).astype(np.int64)
    tone = rng.uniform(-0.15, 0.15, 64).astype(np.float32)[board % 64]
    grain = noise(rng, *_SHAPE, (2, 240), 2)
    wood = gradient(0.3 + 0.5 * grain + tone, [hsv(hue, 0.5, 0.3), hsv(hue, 0.45, 0.5), hsv(hue + 0.01, 0.35, 0.62)])
    wood[(x % 88) < 4] *= 0.35
    return wood


def _glacier(rng: np.random.Generator) -> Floats:
    """Pale ice with grey cracks."""
    hue = rng.uniform(0.55, 0.62)
    cracks = np.abs(noise(rng, *_SHAPE, (5, 16), 5) - 0.5) * 2
    relief = noise(rng, *_SHAPE, (4, 14), 4)
    ice = gradient(relief, [hsv(hue, 0.3, 0.6), hsv(hue, 0.15, 0.8), hsv(hue, 0.04, 0.95)])
    return np.asarray(ice * np.clip(0.55 + cracks * 6, 0.55, 1)[..., None], np.float32)


PLACES: tuple[tuple[str, Callable[[np.random.Generator], Floats]], ...] = (
    ("reef", _reef),
    ("sky", _sky),
    ("meadow", _meadow),
    ("dunes", _dunes),
    ("city", _city),
    ("bricks", _bricks),
    ("planks", _planks),
    ("glacier", _glacier),
)


def place_name(video: int) -> str:
    """Name of the video's place: ``meadow``, and ``meadow_2`` where the places come round again."""
    name, turn = PLACES[video % len(PLACES)][0], video // len(PLACES)
    return name if turn == 0 else f"{name}_{turn + 1}"


def paint_background(seed: int, video: int) -> Image:
    """The video's whole still background, RGB; wide enough for every offset of ``Plan.camera``."""
    picture = PLACES[video % len(PLACES)][1](np.random.default_rng((seed, video, 2)))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
