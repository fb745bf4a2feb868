"""How each class moves its body: where on the sprite a point of the moving body comes from.

Every function takes unit coordinates ``u`` (right), ``v`` (down) of the deformed body, and the phase of its cycle in
radians, and returns the sprite's coordinates that show there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sam2_assets.sample.paint import Floats

Coordinates = tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]
Deform = Callable[[Floats, Floats, float], Coordinates]

REACH = 1.2
"""No deformation shows anything farther than this from the centre, in unit coordinates."""


def swim(u: Floats, v: Floats, phase: float) -> Coordinates:
    """A wave from head to tail that grows towards the tail."""
    return u, v + (0.1 * (0.9 - u) / 1.9) * np.sin(2.6 * u + np.float32(phase))


def flap(u: Floats, v: Floats, phase: float) -> Coordinates:
    """Wings that fold towards the body."""
    opening = np.float32(0.84 + 0.16 * np.cos(phase * 1.6))
    return u / opening, v + 0.06 * np.abs(u) * np.float32(np.sin(phase * 1.6))


def pulse(u: Floats, v: Floats, phase: float) -> Coordinates:
    """A bell that narrows while the arms trail behind it."""
    squeeze = np.float32(1 + 0.1 * np.sin(phase))
    trailing = np.clip(v, 0, 1)
    return u * squeeze + 0.1 * trailing * np.sin(4 * v - np.float32(phase)), v / np.float32(1 + 0.05 * np.sin(phase))


def sway(u: Floats, v: Floats, phase: float) -> Coordinates:
    """Slow swinging below a steady top, and breathing of the envelope."""
    return u * np.float32(1 + 0.03 * np.sin(phase)) + 0.06 * (v + 1) * np.float32(np.sin(phase * 0.7)), v


def curl(u: Floats, v: Floats, phase: float) -> Coordinates:
    """Arms whose tips turn against the middle."""
    angle = 0.3 * np.hypot(u, v) * np.float32(np.sin(phase * 0.8))
    cosine, sine = np.cos(angle), np.sin(angle)
    return u * cosine - v * sine, u * sine + v * cosine


def flutter(u: Floats, v: Floats, phase: float) -> Coordinates:
    """A tail that waves and a sail that shivers."""
    tail = np.clip(v - 0.35, 0, 1)
    return u + 0.5 * tail * np.sin(6 * v - np.float32(1.5 * phase)) + 0.02 * np.sin(5 * v + np.float32(phase)), v


def scuttle(u: Floats, v: Floats, phase: float) -> Coordinates:
    """Legs that step left and right in turn; the shell stays as it is."""
    legs = np.clip(np.abs(u) - 0.5, 0, 1)
    return u, v + 0.35 * legs * np.sign(u) * np.float32(np.sin(2 * phase))


def thrust(u: Floats, v: Floats, phase: float) -> Coordinates:
    """A flame that grows and shrinks behind a stiff hull."""
    flame = np.clip(v - 0.6, 0, 1)
    return u + 0.4 * flame * np.float32(np.sin(3 * phase)), v + flame * np.float32(0.5 + 0.45 * np.sin(2.3 * phase))
