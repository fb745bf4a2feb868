"""The eight classes: what is painted, how it moves, how far it leans. A ninth class is one more row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sam2_assets.sample import creatures, machines, motion
from sam2_assets.sample.paint import Sprite


@dataclass(frozen=True)
class ObjectClass:
    """One class of objects.

    Args:
        label: the name annotated in the export.
        paint: draws one individual of the class.
        deform: the movement of its body (see ``motion``).
        lean: largest turn away from its usual direction, radians.
        cycle: seconds of one body movement.
    """

    label: str
    paint: Callable[[np.random.Generator], Sprite]
    deform: motion.Deform
    lean: float
    cycle: float


CLASSES: tuple[ObjectClass, ...] = (
    ObjectClass("fish", creatures.fish, motion.swim, lean=0.35, cycle=0.9),
    ObjectClass("balloon", machines.balloon, motion.sway, lean=0.15, cycle=2.6),
    ObjectClass("butterfly", creatures.butterfly, motion.flap, lean=0.6, cycle=1.2),
    ObjectClass("rocket", machines.rocket, motion.thrust, lean=0.6, cycle=0.7),
    ObjectClass("jellyfish", creatures.jellyfish, motion.pulse, lean=0.3, cycle=1.6),
    ObjectClass("kite", machines.kite, motion.flutter, lean=0.5, cycle=1.1),
    ObjectClass("starfish", creatures.starfish, motion.curl, lean=3.0, cycle=2.2),
    ObjectClass("beetle", creatures.beetle, motion.scuttle, lean=0.9, cycle=0.8),
)
