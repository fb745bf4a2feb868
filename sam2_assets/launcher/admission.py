"""Which card a run gets now, or why it waits: a pure decision about figures.

Rules:
- A card's free memory is what ``nvidia-smi`` says, less the whole need of our own runs that were started on it less
  than ``SETTLE_S`` ago: they have not allocated yet. Older ones show in the card's own figure. So anybody may share
  the card, the SAM2 demo too.
- Of the cards where a run fits, it gets the fullest: the others stay free for larger runs.
- A run that fits passes one that waits.
- A run that no card could hold, were it empty, is refused at once instead of waiting for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sam2_assets.launcher.cards import Card

SETTLE_S: Final = 300.0
HEADROOM_MIB: Final = 1024
"""The driver's context and the allocator's gaps, which no estimate counts."""


@dataclass(frozen=True)
class Booking:
    """A run of ours on a card.

    Args:
        uuid: the card.
        need_mib: what the run said it needs.
        age_s: seconds since it was launched.
    """

    uuid: str
    need_mib: int
    age_s: float


@dataclass(frozen=True)
class Fits:
    """The run may start on this card."""

    card: Card
    reason: str


@dataclass(frozen=True)
class Waits:
    """The run fits none of the cards now."""

    reason: str


@dataclass(frozen=True)
class Never:
    """The run fits none of the cards, however empty."""

    reason: str


Admission = Fits | Waits | Never


def available_mib(card: Card, bookings: Sequence[Booking]) -> int | None:
    """What a new run may count on; None if the card does not say."""
    if card.free_mib is None:
        return None
    unsettled = sum(b.need_mib for b in bookings if b.uuid == card.uuid and b.age_s < SETTLE_S)
    return max(0, card.free_mib - unsettled)


def admit(need_mib: int | None, cards: Sequence[Card], bookings: Sequence[Booking] = ()) -> Admission:
    """The decision for one run.

    Args:
        need_mib: its need, without headroom; None if nobody knows: then it gets the emptiest card.
        cards: of this host.
        bookings: our runs on them.
    """
    usable = [(card, free) for card in cards if (free := available_mib(card, bookings)) is not None]
    if not usable:
        said = "; ".join(f"{card} does not say how much memory it has" for card in cards)
        return Never(said or "this host has no graphics card")
    if need_mib is None:
        card, free = max(usable, key=lambda pair: (pair[1], -pair[0].index))
        return Fits(card, f"{card}: the emptiest, {gib(free)} free; how much the run needs is not known")
    wanted = need_mib + HEADROOM_MIB
    fitting = [(card, free) for card, free in usable if free >= wanted]
    if fitting:
        card, free = min(fitting, key=lambda pair: (pair[1], pair[0].index))
        return Fits(card, f"{card}: needs {gib(wanted)}, {gib(free)} free")
    if all(card.total_mib is not None and card.total_mib < wanted for card, _ in usable):
        largest = max((card for card, _ in usable), key=lambda card: card.total_mib or 0)
        return Never(f"needs {gib(wanted)}; the largest, {largest}, has {gib(largest.total_mib or 0)}")
    return Waits(f"needs {gib(wanted)}; free: " + ", ".join(f"{card} {gib(free)}" for card, free in usable))


def gib(mib: int) -> str:
    """MiB as people read it."""
    return f"{mib / 1024:.1f} GiB"
