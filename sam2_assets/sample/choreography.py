"""Who is where when: the plan of one video, without a single pixel.

A video of 240 frames has eight **scenes**; in each, one actor is in front (large) and the others stay small, pass by
or are away. The leading class of scene ``s`` in video ``v`` is number ``v + _LEADS[s]`` modulo the number of classes,
so in any stretch of time eight videos together show every class equally often in the lead, wherever a split cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam2_assets.sample.classes import CLASSES, ObjectClass

WIDTH, HEIGHT = 640, 360
FPS = 24
PERIOD = 240
"""Frames after which the sequence of scenes repeats."""

_CAST = (0, 1, 3, 6)
_LEADS = (0, 1, 3, 6, 0, 3, 1, 6)
# The last cut falls inside the last second: even a test block of one second shows two classes.
_CUTS = (0, 30, 64, 98, 132, 164, 196, 228)
_CUT_JITTER = 3
_CHANGE = 11
_TRAVEL = 26
_PAN_AWAY_EVERY = 3
_PAN_AWAY_AT = 82
_PAN_AWAY_RAMP, _PAN_AWAY_HOLD = 7, 4


@dataclass(frozen=True)
class Pose:
    """An actor in one frame: centre and turn in the frame (pixels, radians clockwise), area of the whole silhouette
    in pixels if nothing hides it, phase of the body's cycle in radians, and whether it looks left."""

    x: float
    y: float
    area: float
    angle: float
    phase: float
    mirrored: bool


@dataclass(frozen=True)
class Actor:
    """One tracked object; ``keys`` holds ``(x, y, log area)`` a scene, x and y in fractions of the frame."""

    object_id: int
    kind: ObjectClass
    painter_seed: tuple[int, ...]
    depth: float
    mirrored: bool
    keys: tuple[tuple[float, float, float], ...]
    waves: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that happens in one video."""

    video: int
    seed: int
    cuts: tuple[int, ...]
    actors: tuple[Actor, ...]
    pans_away: bool

    def camera(self, frame: int) -> tuple[float, float]:
        """Offset of the background's window from its start, pixels right and down."""
        drift = np.random.default_rng((self.seed, self.video, 1)).uniform(-1, 1, 4)
        seconds = frame / FPS
        x = 90 + 80 * np.sin(0.45 * seconds * (0.6 + 0.4 * drift[0]) + 3 * drift[1])
        y = 45 + 40 * np.sin(0.6 * seconds * (0.6 + 0.4 * drift[2]) + 3 * drift[3])
        return float(x + self._away(frame) * 1.5 * WIDTH), float(y)

    def _away(self, frame: int) -> float:
        """How far the camera has swung away from the actors, 0..1: one short glance, so that some frames are empty."""
        if not self.pans_away:
            return 0.0
        distance = abs(frame % PERIOD - _PAN_AWAY_AT) - _PAN_AWAY_HOLD
        return float(_ease(1 - distance / _PAN_AWAY_RAMP))

    def pose(self, actor: Actor, frame: int) -> Pose:
        """Where and how ``actor`` is in ``frame``."""
        x, y, log_area = _interpolate(actor.keys, self.cuts, frame)
        seconds, w = frame / FPS, actor.waves
        x += 0.035 * np.sin(2.3 * seconds + w[0]) + 0.02 * np.sin(4.1 * seconds + w[1])
        y += 0.05 * np.sin(1.9 * seconds + w[2]) + 0.02 * np.sin(3.7 * seconds + w[3])
        angle = actor.kind.lean * (0.7 * np.sin(0.9 * seconds + w[4]) + 0.3 * np.sin(2.2 * seconds + w[5]))
        return Pose(
            x=float((x - 1.5 * self._away(frame)) * WIDTH),
            y=float(y * HEIGHT),
            area=float(np.exp(log_area) * WIDTH * HEIGHT),
            angle=float(angle),
            phase=2 * np.pi * seconds / actor.kind.cycle + w[6],
            mirrored=actor.mirrored,
        )


def _ease(amount: float) -> float:
    """Smooth step from 0 to 1, flat at both ends."""
    clipped = min(max(amount, 0.0), 1.0)
    return clipped * clipped * (3 - 2 * clipped)


def _interpolate(
    keys: tuple[tuple[float, float, float], ...], cuts: tuple[int, ...], frame: int
) -> tuple[float, float, float]:
    """Values at ``frame``: each scene's own, with travel and change of size centred on the cuts."""
    x, y, log_area = keys[0]
    scene = 1
    while (cut := cuts[scene % len(cuts)] + PERIOD * (scene // len(cuts))) - _TRAVEL < frame:
        to_x, to_y, to_log_area = keys[scene % len(keys)]
        travelled = _ease((frame - cut) / _TRAVEL + 0.5)
        # Size changes fast and evenly, so that only few frames show two objects of about the same size.
        changed = min(max((frame - cut) / _CHANGE + 0.5, 0.0), 1.0)
        x += travelled * (to_x - x)
        y += travelled * (to_y - y)
        log_area += changed * (to_log_area - log_area)
        scene += 1
    return x, y, log_area


def make_plan(seed: int, video: int) -> Plan:
    """The choreography of one video; the same seed and number give the same plan.

    Every video has four classes in the cast, and every second one a further small individual of one of them.
    """
    rng = np.random.default_rng((seed, video, 0))
    jitter = rng.integers(-_CUT_JITTER, _CUT_JITTER + 1, len(_CUTS))
    cuts = tuple(int(cut + shift) if cut else 0 for cut, shift in zip(_CUTS, jitter, strict=True))
    # Track numbers with gaps, as left behind by a user who deleted objects.
    roles: list[int | None] = [*_CAST, None] if video % 2 else list(_CAST)
    ids = np.sort(rng.choice(len(roles) + 2, len(roles), replace=False))
    depths = rng.permutation(len(roles))
    actors = []
    for order, role in enumerate(rng.permutation(len(roles))):
        offset = roles[role]
        kind = CLASSES[(video + (_CAST[0] if offset is None else offset)) % len(CLASSES)]
        keys = tuple(_scene_key(rng, leads=lead == offset) for lead in _LEADS)
        actors.append(
            Actor(
                object_id=int(ids[order]),
                kind=kind,
                painter_seed=(seed, video, 100 + order),
                depth=float(depths[order]),
                mirrored=bool(rng.integers(2)),
                keys=keys,
                waves=tuple(float(w) for w in rng.uniform(0, 2 * np.pi, 7)),
            )
        )
    return Plan(video, seed, cuts, tuple(actors), pans_away=video % _PAN_AWAY_EVERY == 1)


def _scene_key(rng: np.random.Generator, *, leads: bool) -> tuple[float, float, float]:
    """Place and log of the area fraction of one actor in one scene."""
    chance = rng.random()
    if leads:
        # One scene in four is played half at an edge, where part of the silhouette lies outside the frame.
        x = rng.choice([0.14, 0.86]) if chance < 0.25 else rng.uniform(0.33, 0.67)
        return float(x), float(rng.uniform(0.44, 0.56)), float(np.log(rng.uniform(0.13, 0.18)))
    x = float(rng.choice([-0.3, 1.3])) if chance < 0.45 else float(rng.uniform(0.1, 0.9))
    return x, float(rng.uniform(0.15, 0.85)), float(np.log(rng.uniform(0.02, 0.035)))
