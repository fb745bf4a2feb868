"""Reading a model's answer: lines of ``label [a, b, c, d]``. The writing side is ``Sample.render_answer``."""

from __future__ import annotations

import re
from dataclasses import dataclass

Numbers = tuple[float, float, float, float]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
# The last bracket of the line that holds nothing but numbers: labels may contain brackets of their own.
_BOX = re.compile(rf"\[\s*({_NUMBER}(?:\s*,\s*{_NUMBER})*)\s*\]\W*$")
_LONGEST_NUMBER = 12


@dataclass(frozen=True)
class ParsedObject:
    """One line of an answer: its label, and the four numbers in the model's own coordinates, None if it has no box."""

    label: str
    numbers: Numbers | None


def parse_answer(text: str) -> list[ParsedObject]:
    """The objects an answer names, in its order; never raises, whatever a model writes.

    A line whose bracket does not hold exactly four numbers keeps its label and has no box. Lines without a label, and
    empty lines, are skipped: ``[1, 2, 3, 4]`` alone names nothing.
    """
    return [parsed for line in text.splitlines() if (parsed := _parse_line(line.strip())) is not None]


def _parse_line(line: str) -> ParsedObject | None:
    match = _BOX.search(line)
    if match is None:
        # An answer that was cut off inside its box still names its object.
        label = re.sub(r"\s*\[[\d\s,.+-]*$", "", line).strip()
        return ParsedObject(label, None) if label else None
    label = line[: match.start()].strip()
    return ParsedObject(label, _four(match[1])) if label else None


def _four(listing: str) -> Numbers | None:
    parts = [part.strip() for part in listing.split(",")]
    if len(parts) != 4 or any(len(part) > _LONGEST_NUMBER for part in parts):
        return None
    x0, y0, x1, y1 = (float(part) for part in parts)
    return x0, y0, x1, y1
