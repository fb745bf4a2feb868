"""One message about one event or many: the urgent first, complete ones while there is room, then single lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam2_assets.notifications.events import TITLES, Event, Kind

_MOST_IN_FULL = 10
_MOST_LINES = 200


@dataclass(frozen=True)
class Message:
    """What is sent: a title of one line, and plain text."""

    title: str
    body: str


def _full(event: Event) -> str:
    return "\n".join([event.headline, *(f"  {line}" for line in event.lines), f"  {event.link}"])


def compose(events: Sequence[Event], doubtful: int = 0) -> Message:
    """The message about ``events``, in the order of ``Kind`` and within a kind in the order given.

    Args:
        events: at least one.
        doubtful: events of the message before, which may have been lost when the daemon was killed.
    """
    order = list(Kind)
    found = sorted(events, key=lambda event: order.index(event.kind))
    notes = []
    if doubtful:
        notes = [f"The daemon was stopped while it told of {doubtful} earlier events: they may not have arrived."]
    if len(found) == 1:
        (event,) = found
        return Message(f"[sam2_assets] {event.subject}: {TITLES[event.kind][0]}", "\n\n".join([*notes, _full(event)]))
    counts = {kind: sum(event.kind is kind for event in found) for kind in Kind}
    parts = [f"{count} {TITLES[kind][1]}" if count > 1 else TITLES[kind][0] for kind, count in counts.items() if count]
    blocks = [*notes, *(_full(event) for event in found[:_MOST_IN_FULL])]
    brief = [f"{event.headline} {event.link}" for event in found[_MOST_IN_FULL:_MOST_LINES]]
    if brief:
        blocks.append("\n".join(brief))
    if len(found) > _MOST_LINES:
        blocks.append(f"... and {len(found) - _MOST_LINES} more.")
    return Message(f"[sam2_assets] {', '.join(parts)}", "\n\n".join(blocks))
