"""What ``nvidia-smi`` says about the graphics cards of a machine.

The format: ``nvidia-smi --query-gpu=FIELDS --format=csv,noheader,nounits`` prints one line a card, its fields parted by
comma and space, memory in MiB; a figure that the driver does not give stands as ``[N/A]``, ``[Not Supported]``,
``[Unknown Error]`` or the like, in brackets (nvidia-smi(1), "SELECTIVE QUERY OPTIONS"). Without a card it prints
``No devices were found``.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Final

from sam2_assets.errors import LaunchError

QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,memory.free",
    "--format=csv,noheader,nounits",
)
_NO_CARD: Final = "no devices were found"


@dataclass(frozen=True)
class Card:
    """One graphics card.

    Args:
        index: of the driver.
        uuid: its name that survives a restart.
        name: its model.
        total_mib: its memory; None if the driver does not say (a card split by MIG).
        free_mib: what nobody holds now.
    """

    index: int
    uuid: str
    name: str
    total_mib: int | None
    free_mib: int | None

    def __str__(self) -> str:
        return f"card {self.index} ({self.name})"


def parse_cards(text: str) -> list[Card]:
    """The cards in what ``QUERY`` printed, in its order; none if there is none.

    Raises:
        LaunchError: ``unreadable_cards`` for anything else.
    """
    cards: list[Card] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if _NO_CARD in line.lower():
            return []
        # A model's name may hold a comma; the fields around it cannot.
        head, *rest = line.split(",")
        if len(rest) < 4:
            raise _unreadable(line)
        uuid, name, total, free = rest[0], ",".join(rest[1:-2]), rest[-2], rest[-1]
        try:
            cards.append(Card(int(head), uuid.strip(), name.strip(), _mib(total), _mib(free)))
        except ValueError as error:
            raise _unreadable(line) from error
        if not uuid.strip() or any(card.uuid == uuid.strip() for card in cards[:-1]):
            raise _unreadable(line)
    return cards


def read_here() -> str:
    """What ``QUERY`` prints on this machine.

    Raises:
        LaunchError: ``nvidia_smi_failed``.
    """
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise failed(None, str(error)) from error
    if done.returncode != 0:
        raise failed(done.returncode, done.stdout + done.stderr)
    return done.stdout


def failed(code: int | None, said: str) -> LaunchError:
    """That ``nvidia-smi`` could not be asked; ``code`` is its exit code, None if it did not start or end."""
    return LaunchError(
        "nvidia_smi_failed",
        "nvidia-smi could not be run" if code is None else f"nvidia-smi ended with exit code {code}",
        field="output",
        value=said.strip(),
        remedy=f"Run it by hand where the cards are: {' '.join(QUERY)}",
    )


def _mib(field: str) -> int | None:
    field = field.strip()
    if field.startswith("[") and field.endswith("]"):
        return None
    value = int(field)
    if value < 0:
        raise ValueError(field)
    return value


def _unreadable(line: str) -> LaunchError:
    return LaunchError(
        "unreadable_cards",
        "nvidia-smi printed something else than a card",
        field="line",
        value=line,
        remedy=f"Run it by hand where the cards are: {' '.join(QUERY)}",
    )
