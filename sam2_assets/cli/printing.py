"""Lines for a terminal: wrapped, safe to print whatever a label holds; a time and a plan in words."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from sam2_assets.training.plan import Plan

_LONGEST = 600
_HANGING = 2


def printable(text: object) -> str:
    """One line without characters that would move the cursor, colour the terminal or reverse the text."""
    line = " ".join(str(text).split())
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def time_in_words(seconds: float) -> str:
    """E.g. ``about 40 s``, ``about 6 min``, ``about 2.5 h``."""
    if seconds < 90:
        return f"about {max(0.0, seconds):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


def plan_in_words(plan: Plan) -> str:
    """One line with what a person approves: the model, how much data, how long, how much memory, what it costs."""
    need = plan.estimate
    return (
        f"plan {plan.plan_hash[:12]}: {plan.base.name}, {plan.data.train_samples} training samples, "
        f"{need.steps} steps, {time_in_words(need.seconds)} ({need.gpu_hours:.3g} GPU-hours), {need.memory_gib:.1f} of "
        f"{plan.config.card.memory_gib:g} GiB on {plan.config.card.name}, cost {need.cost:.2f}"
    )


class Lines:
    """Prints to stdout; 80 columns wide where it is no terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def say(self, text: str, *, indent: int = 0, style: str = "", gap: bool = False) -> None:
        """One paragraph.

        Args:
            text: printed as it is: brackets are no markup.
            indent: columns, of all its lines.
            style: of rich, only seen on a terminal.
            gap: an empty line before it.
        """
        if gap:
            self._console.print()
        hanging = indent + _HANGING
        for place, line in enumerate(
            Text(printable(text), style=style).wrap(self._console, self._console.width - hanging)
        ):
            line.rstrip()
            self._console.print(Text(" " * (hanging if place else indent)) + line, soft_wrap=True)

    def command(self, text: str, *, indent: int = 0) -> None:
        """A command to copy: never broken over lines."""
        self._console.print(Text(" " * indent + printable(text)), soft_wrap=True)
