"""The scoreboard: scores of every system beside each other, for a terminal and for Markdown pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sam2_assets.evaluation.scores import WHOLE_VIDEO

if TYPE_CHECKING:
    from rich.table import Table

TITLES: Final[Mapping[str, str]] = {
    "adapter": "fine-tuned",
    "base": "base model",
    "control": "control",
    "majority": "majority",
}
HEADER: Final = (
    "task",
    "score",
    *TITLES.values(),
    *(f"fine-tuned − {TITLES[system]}" for system in ("base", "control", "majority")),
)


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return _number(value) if value < 0 else f"+{_number(value)}"


def cell(entry: Mapping[str, Any], *, difference: bool = False) -> str:
    """``0.940 [0.891, 0.973]``; of a difference ``+0.120 [+0.020, +0.210] *`` (star: the interval excludes 0).

    ``[no interval]`` stands where the test split has too few blocks to resample.
    """
    show = _signed if difference else _number
    if entry["low"] is None:
        return f"{show(entry['value'])} [no interval]"
    star = " *" if difference and entry["excludes_zero"] else ""
    return f"{show(entry['value'])} [{show(entry['low'])}, {show(entry['high'])}]{star}"


def rows(scores: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table's rows as text, in the order of ``HEADER``."""
    lines = []
    for task, found in scores["tasks"].items():
        for score in found["scores"].values():
            arrow = "" if score["higher_is_better"] else " (lower is better)"
            systems = [cell(score["systems"][system]) for system in TITLES]
            differences = [
                cell(score["adapter_minus"][system], difference=True) for system in ("base", "control", "majority")
            ]
            lines.append((task, f"{score['title']}{arrow}", *systems, *differences))
    return lines


def scoreboard(scores: Mapping[str, Any]) -> Table:
    """The contents of ``scores.json`` as a table for a terminal of 80 columns: a line a system, a column a score."""
    from rich.table import Table

    title = f"test split: {split_size(scores)}"
    for task, found in scores["tasks"].items():
        title += f"\n{task}: the most frequent true answer makes up {found['most_frequent_answer']['share']:.1%}"
    table = Table(title=title, caption=caption(scores), caption_justify="left")
    table.add_column("")
    tasks = scores["tasks"]
    titles = {name: found["title"] for task in tasks.values() for name, found in task["scores"].items()}
    lower = {n for task in tasks.values() for n, found in task["scores"].items() if not found["higher_is_better"]}
    for name, title in titles.items():
        table.add_column(f"{title} (lower is better)" if name in lower else title, justify="right", overflow="fold")
    for task, found in tasks.items():
        measured = found["scores"]
        table.add_section()
        table.add_row(f"[bold]{task}[/]")
        for system, title in TITLES.items():
            texts = [cell(measured[name]["systems"][system]) if name in measured else "" for name in titles]
            table.add_row(title, *(_two_lines(text) for text in texts))
        for system in ("base", "control", "majority"):
            texts = [
                cell(measured[name]["adapter_minus"][system], difference=True) if name in measured else ""
                for name in titles
            ]
            table.add_row(f"{TITLES['adapter']} − {TITLES[system]}", *(_two_lines(text) for text in texts))
    return table


def _two_lines(text: str) -> str:
    """A cell with its interval below the number; the bracket is text, not markup."""
    return text.replace(" [", "\n[", 1).replace("[", r"\[")


def markdown(scores: Mapping[str, Any]) -> str:
    """The same table in Markdown, without a trailing line break."""
    return markdown_table(HEADER, rows(scores))


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; ``|`` inside cells is escaped."""
    escaped = [[text.replace("|", "\\|").replace("\n", " ") for text in line] for line in lines]
    ruler = "|" + "---|" * len(header)
    return "\n".join(["| " + " | ".join(header) + " |", ruler, *("| " + " | ".join(line) + " |" for line in escaped)])


def verdicts(score: Mapping[str, Any], bootstrap: Mapping[str, Any]) -> list[str]:
    """What may be said of a score's differences: sure leads, then where the model is no better, then what is open.

    Args:
        score: one of ``scores.json``.
        bootstrap: of ``scores.json``: how many blocks an interval needs, and what a block is.
    """
    least = f"{bootstrap['least_blocks']} {bootstrap['unit']}s"
    words = {"base": "the base model", "control": "the control", "majority": "the majority baseline"}
    sign = 1 if score["higher_is_better"] else -1
    leads = {name: sign * entry["value"] for name, entry in score["adapter_minus"].items()}
    sure = [name for name, entry in score["adapter_minus"].items() if entry["excludes_zero"] and leads[name] > 0]
    behind = [name for name, lead in leads.items() if lead <= 0]
    unsure = [name for name in leads if name not in sure and name not in behind]
    sentences = []
    if sure:
        sentences.append(f"The interval of its lead excludes 0 over {', '.join(words[name] for name in sure)}.")
    if behind:
        sentences.append(f"It is no better than {', '.join(words[name] for name in behind)}.")
    if unsure:
        measured = all(score["adapter_minus"][name]["low"] is not None for name in unsure)
        why = "the interval includes 0" if measured else f"fewer than {least} give no interval"
        sentences.append(f"Its lead over {', '.join(words[name] for name in unsure)} is not certain: {why}.")
    return sentences


def split_size(scores: Mapping[str, Any]) -> str:
    """``120 questions, 60 frames, 3 videos, 12 temporal blocks``; without blocks where the videos are the blocks."""
    test = scores["test"]
    unit = scores["bootstrap"]["unit"]
    counts = [("question", "samples"), ("frame", "frames"), ("video", "videos")]
    if unit != WHOLE_VIDEO:
        counts.append((unit, "blocks"))
    return ", ".join(f"{test[key]} {noun}{'' if test[key] == 1 else 's'}" for noun, key in counts)


def caption(scores: Mapping[str, Any]) -> str:
    """How to read the intervals and what the other systems are, in a few sentences."""
    bootstrap = scores["bootstrap"]
    meaning = {name: text for name, text in scores["systems"].items() if name != "adapter"}
    lines = [f"{TITLES[name]}: {text}" for name, text in meaning.items()]
    unit = bootstrap["unit"]
    over = "over videos like these" if unit == WHOLE_VIDEO else "over moments of these videos, not over other videos"
    lines.append(
        f"In brackets: {bootstrap['level']:.0%} intervals, {bootstrap['draws']} draws of whole {unit}s; a star "
        f"marks a difference whose interval excludes 0. They say how the score varies {over}."
    )
    if any(task["blocks"] < bootstrap["least_blocks"] for task in scores["tasks"].values()):
        lines.append(f"No interval: with fewer than {bootstrap['least_blocks']} {unit}s, chance alone looks certain.")
    return "\n".join(lines)
