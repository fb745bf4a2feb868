"""``report.md``: the scoreboard for people, with what each column means and the drawn cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sam2_assets.evaluation.gallery import Case
from sam2_assets.evaluation.scoreboard import TITLES, caption, markdown, split_size
from sam2_assets.training.measures import Kind


def render_report(scores: Mapping[str, Any], cases: Sequence[Case]) -> str:
    """The report's Markdown; pictures are linked as ``gallery/<name>.png``."""
    parts = ["# Evaluation on the test split", f"Measured on {split_size(scores)}."]
    if scores["test"]["left_out"]:
        parts.append(f"{scores['test']['left_out']} test questions were left out (`max_samples`), evenly spread.")
    parts += [markdown(scores), "## How to read it"]
    parts.append(f"- **{TITLES['adapter']}**: {scores['systems']['adapter']}")
    parts[-1] += "\n" + "\n".join(f"- {line}" for line in caption(scores).splitlines())
    meanings = {s["title"]: s["meaning"] for task in scores["tasks"].values() for s in task["scores"].values()}
    parts.append("\n".join(f"- *{title}*: {meaning}." for title, meaning in meanings.items()))
    parts.append("## How far guessing gets")
    parts.append("\n".join(guessing(task, found) for task, found in scores["tasks"].items()))
    if cases:
        parts.append("## Worst and best answers\n\nGreen: true. Orange: answered by the fine-tuned model.")
        for case in cases:
            sample_id = case.prediction.sample.sample_id
            parts.append(f"![{case.name}: {sample_id}](gallery/{case.name}.png)")
    return "\n\n".join(parts) + "\n"


def guessing(task: str, found: Mapping[str, Any]) -> str:
    """One line on the most frequent true answer of a task, and what the majority baseline learned from training."""
    share, majority = found["most_frequent_answer"], found["majority"]
    counted = "answers" if found["kind"] == Kind.TEXT else "objects"
    return (
        f"- {task}: the most frequent true answer makes up {share['share']:.1%} of the {found['samples']} test answers "
        f"({quoted(share['answer'])}); the majority baseline always says {quoted(majority['text'])}, which is "
        f"{majority['share']:.1%} of the {majority['counted']} training {counted}."
    )


def quoted(text: str) -> str:
    """Free text as one line of Markdown code, whatever back-ticks it contains."""
    line = " / ".join(text.splitlines())
    return f"``{line}``".replace("``", "`` ", 1)[:-2] + " ``" if "`" in line else f"`{line}`"
