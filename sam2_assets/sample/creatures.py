"""How the living things look: one painter a class, from a random generator to a sprite facing its usual way."""

from __future__ import annotations

import numpy as np

from sam2_assets.sample.paint import Canvas, Colour, Sprite, ellipse, gradient, hsv, noise, smooth

_DARK: Colour = (28.0, 24.0, 26.0)


def fish(rng: np.random.Generator) -> Sprite:
    """Facing right: orange with white bands, each with a black edge, and a forked tail."""
    canvas = Canvas()
    hue = rng.uniform(0.045, 0.085)
    body_colour, fin_colour = hsv(hue, 0.95, 1.0), hsv(hue - 0.02, 0.95, 0.85)
    canvas.add(
        smooth([(-0.45, 0.02), (-0.75, -0.2), (-0.98, -0.5), (-0.86, 0.0), (-0.98, 0.5), (-0.75, 0.2)]), fin_colour
    )
    canvas.add(smooth([(-0.35, -0.25), (-0.2, -0.62), (0.15, -0.7), (0.4, -0.35)]), fin_colour)
    canvas.add(smooth([(-0.2, 0.3), (-0.15, 0.66), (0.12, 0.6), (0.2, 0.3)]), fin_colour)
    body = canvas.add(
        smooth(
            [
                (-0.58, 0),
                (-0.25, -0.38),
                (0.25, -0.47),
                (0.7, -0.26),
                (0.93, 0.03),
                (0.7, 0.27),
                (0.25, 0.45),
                (-0.25, 0.36),
            ]
        ),
        body_colour,
    )
    scales = 0.5 + 0.5 * np.cos(canvas.x * 60) * np.cos(canvas.y * 60 + np.sin(canvas.x * 30))
    canvas.tint((scales * 0.3).astype(np.float32), hsv(hue + 0.05, 0.6, 1.0), body)
    for middle, width in zip(rng.permutation([-0.36, 0.02, 0.42]), (0.075, 0.1, 0.085), strict=True):
        bend = [(middle + 0.06 * np.cos(y * 3) - 0.05, y) for y in np.linspace(-0.75, 0.75, 16)]
        canvas.mark_stroke(bend, width * 2.1, _DARK, body)
        canvas.mark_stroke(bend, width * 1.35, (250, 246, 240), body)
    for ray in np.linspace(-0.35, 0.35, 7):
        canvas.mark_stroke([(-0.68, ray * 0.3), (-0.95, ray)], 0.014, hsv(hue - 0.03, 1.0, 0.55))
    canvas.mark(ellipse(0.66, -0.08, 0.095, 0.1), (255, 255, 250))
    canvas.mark(ellipse(0.68, -0.08, 0.05, 0.055), _DARK)
    canvas.mark_stroke([(0.92, 0.08), (0.8, 0.12)], 0.025, _DARK)
    return canvas.finish(noise(rng, canvas.side, canvas.side, (10, 10)))


def butterfly(rng: np.random.Generator) -> Sprite:
    """From above, head up: violet wings with a black rim, white rim dots and yellow eye spots."""
    canvas = Canvas()
    hue = rng.uniform(0.74, 0.79)
    upper = [(0.05, -0.1), (0.3, -0.62), (0.75, -0.88), (0.97, -0.6), (0.85, -0.2), (0.45, 0.06)]
    lower = [(0.05, 0.0), (0.5, 0.04), (0.82, 0.3), (0.72, 0.72), (0.42, 0.88), (0.15, 0.5)]
    spread = rng.uniform(0.94, 1.04)
    for side in (-1, 1):
        for knots in (lower, upper):
            wing = np.array([(side * x * spread, y) for x, y in knots])
            stencil = canvas.add(smooth(wing), _DARK)
            centre = wing.mean(axis=0)
            inner = smooth(centre + (wing - centre) * 0.78)
            away = np.hypot(canvas.x - side * 0.05, canvas.y).astype(np.float32)
            canvas.mark(
                inner, gradient(away, [hsv(hue - 0.12, 0.6, 1.0), hsv(hue, 0.85, 0.9), hsv(hue + 0.03, 0.9, 0.6)])
            )
            for vein in wing[1:]:
                canvas.mark_stroke([(side * 0.05, -0.02), vein], 0.018, hsv(hue, 0.9, 0.3), stencil)
            canvas.mark(ellipse(centre[0] * 1.18, centre[1] * 1.18, 0.13, 0.13), hsv(0.14, 0.85, 1.0))
            canvas.mark(ellipse(centre[0] * 1.18, centre[1] * 1.18, 0.065, 0.065), hsv(hue, 1.0, 0.25))
            for dot in smooth(centre + (wing - centre) * 0.9, 3):
                if abs(dot[0]) > 0.3:
                    canvas.mark(ellipse(dot[0], dot[1], 0.026, 0.026), (255, 255, 255))
    canvas.add(ellipse(0, 0.05, 0.075, 0.5), (60, 44, 40))
    canvas.add(ellipse(0, -0.47, 0.085, 0.085), (60, 44, 40))
    for side in (-1, 1):
        canvas.add_stroke([(0, -0.5), (side * 0.1, -0.74), (side * 0.2, -0.86)], 0.028, _DARK)
    return canvas.finish(noise(rng, canvas.side, canvas.side, (14, 14)), relief=0.2)


def jellyfish(rng: np.random.Generator) -> Sprite:
    """Bell up, arms down: pink with pale ribs and darker dots."""
    canvas = Canvas()
    hue = rng.uniform(0.89, 0.93)
    arms = int(rng.integers(5, 7))
    for k, root in enumerate(np.linspace(-0.42, 0.42, arms)):
        y = np.linspace(-0.1, rng.uniform(0.8, 0.97), 24)
        middle = root * (1 + 0.25 * y) + 0.045 * np.sin(y * 9 + k * 1.9)
        width = 0.075 * (1.15 - y)
        outline = np.concatenate([np.stack([middle - width, y], 1), np.stack([middle + width, y], 1)[::-1]])
        canvas.add(outline, hsv(hue + 0.03 * (k % 2), 0.5, 0.95 - 0.12 * (k % 2)))
        canvas.mark_stroke(np.stack([middle, y], 1), 0.022, hsv(hue, 0.85, 0.65))
    top = [(np.cos(a) * 0.78, -0.12 - np.sin(a) * 0.8) for a in np.linspace(0, np.pi, 40)]
    hem = [(x, -0.1 + 0.07 * abs(np.sin((x + 0.78) / 1.56 * np.pi * 7))) for x in np.linspace(-0.78, 0.78, 60)]
    bell = canvas.add(top + hem, hsv(hue, 0.62, 1.0))
    height = np.clip((canvas.y + 0.92) / 0.85, 0, 1).astype(np.float32)
    canvas.tint(
        np.full_like(height, 0.75), gradient(height, [hsv(hue, 0.25, 1), hsv(hue, 0.6, 1), hsv(hue, 0.85, 0.85)]), bell
    )
    for foot in np.linspace(-0.72, 0.72, 9):
        rib = [(foot * np.sin(t * np.pi / 2), -0.9 + 0.86 * t) for t in np.linspace(0, 1, 14)]
        canvas.mark_stroke(rib, 0.028, hsv(hue, 0.12, 1.0), bell)
    for _ in range(26):
        spot_x, spot_y, r = rng.uniform(-0.65, 0.65), rng.uniform(-0.8, -0.15), rng.uniform(0.018, 0.04)
        canvas.mark(ellipse(spot_x, spot_y, r, r), hsv(hue + 0.03, 0.95, 0.6), bell)
    return canvas.finish(noise(rng, canvas.side, canvas.side, (8, 8)), relief=0.3)


def starfish(rng: np.random.Generator) -> Sprite:
    """Five round arms: crimson, rough, with rows of cream dots."""
    canvas = Canvas()
    hue = rng.uniform(0.965, 0.995)
    turn, slim = rng.uniform(-0.2, 0.2), rng.uniform(0.36, 0.43)
    knots = []
    for k in range(10):
        angle = turn + k * np.pi / 5 - np.pi / 2
        radius = 0.95 if k % 2 == 0 else slim
        spread = (-0.1, 0.1) if k % 2 == 0 else (0.0,)
        knots += [(radius * np.cos(angle + s), radius * np.sin(angle + s)) for s in spread]
    canvas.add(smooth(knots), hsv(hue, 0.92, 0.78))
    rough = noise(rng, canvas.side, canvas.side, (26, 26), 3, 0.7)
    canvas.tint(np.clip(rough * 1.6 - 0.6, 0, 1), hsv(hue + 0.02, 0.9, 0.5))
    for arm in range(5):
        angle = turn + arm * 2 * np.pi / 5 - np.pi / 2
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        for step, distance in enumerate(np.linspace(0.12, 0.84, 8)):
            size = 0.044 * (1.15 - distance * 0.6)
            offsets = (0.0,) if step % 2 == 0 else (-0.13 * (1.1 - distance), 0.13 * (1.1 - distance))
            for offset in offsets:
                dot = along * distance + across * offset
                canvas.mark(ellipse(float(dot[0]), float(dot[1]), size, size), (252, 232, 190))
    canvas.mark(ellipse(0, 0, 0.07, 0.07), (252, 232, 190))
    return canvas.finish(rough, relief=0.4)


def beetle(rng: np.random.Generator) -> Sprite:
    """From above, head up: a shiny green oval with gold speckles, a black head and six legs."""
    canvas = Canvas()
    hue = rng.uniform(0.37, 0.42)
    for side in (-1, 1):
        for hip, knee, foot in ((-0.35, -0.55, -0.8), (0.05, 0.0, 0.12), (0.4, 0.5, 0.88)):
            canvas.add_stroke([(side * 0.4, hip), (side * 0.72, knee), (side * 0.88, foot)], 0.085, _DARK)
        canvas.add_stroke([(side * 0.08, -0.75), (side * 0.26, -0.9), (side * 0.46, -0.95)], 0.05, _DARK)
    canvas.add(ellipse(0, -0.66, 0.24, 0.2), _DARK)
    thorax = canvas.add(
        smooth([(-0.38, -0.38), (-0.32, -0.66), (0.32, -0.66), (0.38, -0.38)]), hsv(hue + 0.06, 0.9, 0.45)
    )
    shell = canvas.add(ellipse(0, 0.22, 0.56, 0.68), hsv(hue, 0.95, 0.5))
    sheen = np.clip(1 - np.hypot((canvas.x + 0.2) / 0.5, (canvas.y + 0.05) / 0.75), 0, 1).astype(np.float32)
    canvas.tint(sheen, hsv(hue - 0.12, 0.55, 0.95), shell)
    for ridge in (-0.4, -0.27, -0.14, 0.14, 0.27, 0.4):
        curve = [(ridge * np.cos((y - 0.2) * 1.6), y) for y in np.linspace(-0.45, 0.88, 14)]
        canvas.mark_stroke(curve, 0.02, hsv(hue + 0.05, 1.0, 0.2), shell)
    for _ in range(int(rng.integers(26, 36))):
        x, y, r = rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.85), rng.uniform(0.016, 0.034)
        canvas.mark(ellipse(x, y, r, r), hsv(0.14, 0.75, 1.0), shell)
    canvas.mark_stroke([(0, -0.46), (0, 0.92)], 0.035, _DARK, shell)
    canvas.mark_stroke([(-0.3, -0.52), (0.3, -0.52)], 0.03, hsv(0.14, 0.75, 0.9), thorax)
    return canvas.finish(noise(rng, canvas.side, canvas.side, (12, 12)), relief=0.45)
