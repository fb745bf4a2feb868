"""How the made things look: one painter a class, from a random generator to an upright sprite."""

from __future__ import annotations

import numpy as np

from sam2_assets.sample.paint import Canvas, Colour, Sprite, ellipse, gradient, hsv, noise, smooth

_DARK: Colour = (30.0, 28.0, 32.0)


def balloon(rng: np.random.Generator) -> Sprite:
    """A hot-air balloon: red, yellow and blue gores over a wicker basket."""
    canvas = Canvas()
    shift = rng.uniform(-0.015, 0.015)
    for x in (-0.17, 0.17):
        canvas.add_stroke([(x * 1.25, 0.45), (x, 0.76)], 0.03, (70, 52, 36))
    basket = canvas.add([(-0.2, 0.72), (0.2, 0.72), (0.16, 0.97), (-0.16, 0.97)], (150, 98, 48))
    for y in np.linspace(0.76, 0.94, 5):
        canvas.mark_stroke([(-0.3, y), (0.3, y)], 0.016, (92, 56, 24), basket)
    envelope = canvas.add(
        smooth(
            [
                (0, -0.97),
                (0.5, -0.8),
                (0.72, -0.35),
                (0.55, 0.15),
                (0.2, 0.56),
                (-0.2, 0.56),
                (-0.55, 0.15),
                (-0.72, -0.35),
                (-0.5, -0.8),
            ]
        ),
        (255, 255, 255),
    )
    half = np.interp(canvas.y, [-0.97, -0.8, -0.35, 0.15, 0.56], [0.12, 0.5, 0.73, 0.56, 0.2])
    longitude = np.arcsin(np.clip(canvas.x / half, -1, 1)) / np.pi + 0.5
    gore = np.floor(longitude * 9 + int(rng.integers(0, 3))).astype(np.int64) % 3
    colours = np.array(
        [hsv(0.0 + shift, 0.9, 0.95), hsv(0.145 + shift, 0.9, 1.0), hsv(0.61 + shift, 0.85, 0.85)], np.float32
    )
    canvas.tint(np.ones_like(canvas.x), colours[gore], envelope)
    belt = (np.abs(canvas.y + 0.12 - 0.04 * np.cos(canvas.x * 3)) < 0.085).astype(np.float32)
    canvas.tint(belt, (255, 252, 244), envelope)
    for x in np.linspace(-0.6, 0.6, 9):
        canvas.mark(
            [(x - 0.05, -0.12), (x, -0.19), (x + 0.05, -0.12), (x, -0.05)], hsv(0.0 + shift, 0.9, 0.8), envelope
        )
    return canvas.finish(noise(rng, canvas.side, canvas.side, (6, 6)), relief=0.3)


def kite(rng: np.random.Generator) -> Sprite:
    """A diamond of cyan and black-dotted yellow quarters with a tail of bows."""
    canvas = Canvas()
    hue = rng.uniform(0.49, 0.53)
    tail = [(0.1 * np.sin(t * 9), 0.38 + 0.58 * t) for t in np.linspace(0, 1, 30)]
    canvas.add_stroke(tail, 0.035, (40, 40, 48))
    for k, t in enumerate((0.3, 0.62, 0.94)):
        x, y = 0.1 * np.sin(t * 9), 0.38 + 0.58 * t
        colour = hsv(0.145, 0.95, 1.0) if k % 2 else hsv(hue, 0.95, 0.85)
        canvas.add([(x - 0.17, y - 0.085), (x, y), (x - 0.17, y + 0.085)], colour)
        canvas.add([(x + 0.17, y - 0.085), (x, y), (x + 0.17, y + 0.085)], colour)
    waist = rng.uniform(-0.42, -0.32)
    top, right, bottom, left, centre = (0, -0.97), (0.8, waist), (0, 0.5), (-0.8, waist), (0, waist)
    bright, sunny = hsv(hue, 0.9, 0.95), hsv(0.145, 0.95, 1.0)
    canvas.add([top, right, centre], bright)
    yellow_low = canvas.add([right, bottom, centre], sunny)
    canvas.add([bottom, left, centre], bright)
    yellow_high = canvas.add([left, top, centre], sunny)
    dots = ((np.cos(canvas.x * 42) + np.cos(canvas.y * 42)) > 1.05).astype(np.float32)
    canvas.tint(dots, _DARK, np.maximum(yellow_low, yellow_high))
    stripes = (np.sin((canvas.x + canvas.y) * 40) > 0.35).astype(np.float32)
    canvas.tint(
        stripes * 0.6,
        hsv(hue + 0.06, 0.95, 0.5),
        np.clip(canvas.inside - yellow_low - yellow_high, 0, 1) * (canvas.y < 0.5),
    )
    canvas.mark_stroke([top, bottom], 0.035, (70, 50, 36))
    canvas.mark_stroke([left, right], 0.035, (70, 50, 36))
    return canvas.finish(noise(rng, canvas.side, canvas.side, (5, 5)), relief=0.12)


def rocket(rng: np.random.Generator) -> Sprite:
    """Nose up: white and grey chequered hull, navy nose and fins, a round window and a flame."""
    canvas = Canvas()
    hue = rng.uniform(0.63, 0.67)
    navy = hsv(hue, 0.8, 0.5)
    flame = canvas.add(
        smooth([(-0.2, 0.5), (0.2, 0.5), (0.24, 0.68), (0.1, 0.8), (0, 0.98), (-0.1, 0.8), (-0.24, 0.68)]),
        (255, 120, 20),
    )
    heat = np.clip((canvas.y - 0.5) / 0.48, 0, 1).astype(np.float32)
    canvas.tint(
        np.ones_like(heat), gradient(heat, [(255, 250, 190), (255, 200, 40), (255, 110, 20), (200, 40, 10)]), flame
    )
    for side in (-1, 1):
        canvas.add(
            smooth(
                [(side * 0.25, 0.02), (side * 0.7, 0.42), (side * 0.74, 0.78), (side * 0.5, 0.6), (side * 0.24, 0.52)]
            ),
            navy,
        )
    hull = canvas.add(
        smooth(
            [
                (0, -0.97),
                (0.24, -0.66),
                (0.36, -0.2),
                (0.34, 0.3),
                (0.24, 0.58),
                (-0.24, 0.58),
                (-0.34, 0.3),
                (-0.36, -0.2),
                (-0.24, -0.66),
            ]
        ),
        (238, 238, 244),
    )
    cell = rng.uniform(0.13, 0.16)
    chequer = ((np.floor(canvas.x / cell) + np.floor(canvas.y / cell)) % 2).astype(np.float32) * (canvas.y > 0.02)
    canvas.tint(chequer.astype(np.float32), (96, 98, 112), hull)
    canvas.tint((canvas.y < -0.52).astype(np.float32), navy, hull)
    canvas.tint(((canvas.y > -0.52) & (canvas.y < -0.45)).astype(np.float32), (230, 60, 50), hull)
    canvas.mark(ellipse(0, -0.2, 0.185, 0.185), (70, 74, 90), hull)
    canvas.mark(ellipse(0, -0.2, 0.135, 0.135), hsv(0.53, 0.5, 1.0), hull)
    canvas.mark(ellipse(-0.04, -0.25, 0.05, 0.04), (255, 255, 255), hull)
    return canvas.finish(noise(rng, canvas.side, canvas.side, (6, 6)), relief=0.38)
