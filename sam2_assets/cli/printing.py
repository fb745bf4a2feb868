"""Lines for a terminal: wrapped with a hanging indent, safe to print whatever a label holds."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

_LONGEST = 600
_HANGING = 2


def printable(text: object) -> str:
    """One line without characters that would move the cursor, colour the terminal or reverse the text."""
    line = " ".join(str(text).split())
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


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
