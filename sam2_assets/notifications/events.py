"""What there is to tell: one event a run."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Kind(enum.Enum):
    """What kind of news an event is, the most urgent first; the value is the setting that switches it."""

    FAILED = "failed"
    GATE = "gate"
    APPROVAL = "approval"
    FINISHED = "finished"


TITLES = {
    Kind.FAILED: ("a run failed", "runs failed"),
    Kind.GATE: ("a gate is closed", "lines were stopped by gates"),
    Kind.APPROVAL: ("a plan waits for approval", "plans wait for approval"),
    Kind.FINISHED: ("a run finished", "runs finished"),
}
"""One of a kind, and several of it."""


@dataclass(frozen=True)
class Event:
    """One piece of news.

    Args:
        kind: of news.
        subject: the partition or ``corpus``.
        headline: one line that says it.
        lines: the useful numbers, and what to do.
        link: into the UI.
    """

    kind: Kind
    subject: str
    headline: str
    lines: Sequence[str]
    link: str
