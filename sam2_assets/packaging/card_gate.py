"""The card's gate: every number on it must be a number of the evidence files.

It reads the finished Markdown and shares no code with what renders it, so that a defect there is found here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from sam2_assets.packaging.evidence import Evidence
from sam2_assets.packaging.serving import SERVING_FILE, Serving, weights_sha256

_NUMBER: Final = re.compile(r"(?<![\w.])[+−-]?\d+(?:\.\d+)?(?:e-?\d+)?%?(?![\w.]*\w)")
_CODE: Final = re.compile(r"```.*?```|`` .*? ``|`[^`]*`|!?\[[^\]]*\]\([^)]*\)", re.DOTALL)
_FRONT: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_SYSTEMS: Final = ("adapter", "base", "control", "majority")


def card_problems(repository: Path) -> list[str]:
    """What on the card is not what the evidence says; empty if all is well.

    Checked: the front matter's metrics and base model; every cell of the score table; that every other number in the
    text is found in the evidence (as written, rounded to the digits shown, or as a percentage); that every waiver is
    named; that the adapter's weights are the evaluated ones; that ``serving.json`` names the plan of the evidence.

    Args:
        repository: folder that ``write_repository`` wrote.

    Raises:
        PackagingError: if evidence or ``serving.json`` cannot be read.
    """
    path = repository / "README.md"
    if not path.is_file():
        return ["README.md is missing"]
    text = path.read_text(encoding="utf-8")
    evidence, serving = Evidence.read(repository), Serving.read(repository)
    front = _FRONT.match(text)
    if front is None:
        return ["README.md has no front matter"]
    body = text[front.end() :]
    problems = _front_problems(front.group(1), evidence.scores, serving)
    problems += _table_problems(body, evidence.scores)
    problems += _number_problems(body, _numbers_of(repository, evidence))
    for waiver in evidence.splits["waivers"]:
        if f"`{waiver['gate']}`" not in body or " ".join(waiver["reason"].split()) not in body:
            problems.append(f"the waiver of {waiver['gate']} is not on the card")
    if weights_sha256(repository) != serving.adapter_sha256:
        problems.append("the adapter's weights are not those of serving.json")
    hashes = {evidence.plan["plan_hash"], evidence.scores["provenance"]["plan_hash"], evidence.training["plan_hash"]}
    if hashes != {serving.plan_hash}:
        problems.append("evidence and serving.json are of different plans")
    return problems


def _front_problems(text: str, scores: Mapping[str, Any], serving: Serving) -> list[str]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"the front matter is not YAML: {error}".replace("\n", " ")]
    problems = []
    expected_base = serving.base.name if serving.base.commit else None
    if found.get("base_model") != expected_base:
        problems.append(f"front matter: base_model is {found.get('base_model')}, not {expected_base}")
    stated = {
        (result["task"]["name"], metric["name"]): metric["value"]
        for model in found.get("model-index", [])
        for result in model["results"]
        for metric in result["metrics"]
    }
    measured = {
        (task, f"{score['title']} ({task})"): score["systems"]["adapter"]["value"]
        for task, entry in scores["tasks"].items()
        for score in entry["scores"].values()
    }
    for key in sorted(stated.keys() | measured.keys()):
        if stated.get(key) != measured.get(key):
            problems.append(f"front matter: {key[1]} is {stated.get(key)}, measured {measured.get(key)}")
    return problems


def _table_problems(body: str, scores: Mapping[str, Any]) -> list[str]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"]
    problems = []
    for task, entry in scores["tasks"].items():
        for score in entry["scores"].values():
            name = f"{task}, {score['title']}"
            row = next((r for r in rows if len(r) == 9 and r[0] == task and r[1].startswith(score["title"])), None)
            if row is None:
                problems.append(f"score table: no row for {name}")
                continue
            entries = [score["systems"][s] for s in _SYSTEMS] + [score["adapter_minus"][s] for s in _SYSTEMS[1:]]
            for cell, found in zip(row[2:], entries, strict=True):
                stated = [float(n.replace("−", "-")) for n in _NUMBER.findall(cell)]
                wanted = [v for v in (found["value"], found["low"], found["high"]) if v is not None]
                same = len(stated) == len(wanted) and all(
                    abs(a - b) < 0.00051 for a, b in zip(stated, wanted, strict=True)
                )
                if not same or ("*" in cell) != found.get("excludes_zero", False):
                    problems.append(f"score table: {name} says {cell}, measured {wanted}")
    return problems


def _number_problems(body: str, known: set[float]) -> list[str]:
    problems = []
    for number in dict.fromkeys(_NUMBER.findall(_CODE.sub(" ", body))):
        text = number.replace("−", "-").rstrip("%")
        digits = len(text.partition(".")[2]) if "e" not in text else 12
        scale = 100 if number.endswith("%") else 1
        value = float(text)
        if not any(abs(value - scale * v) <= 0.5001 * 10**-digits * (digits > 0) + 1e-9 for v in known):
            problems.append(f"text: {number} is in no evidence file")
    return problems


def _numbers_of(repository: Path, evidence: Evidence) -> set[float]:
    serving = json.loads((repository / SERVING_FILE).read_text(encoding="utf-8"))
    sources = [evidence.scores, evidence.splits, evidence.training, evidence.plan, serving, *evidence.imports.values()]
    known = {value for source in sources for value in _walk(source)}
    config, splits = evidence.plan["config"], evidence.splits
    # The few numbers that are computed for the card.
    known.add(float(config["batch_size"] * config["gradient_accumulation"]))
    labels = splits["class_balance"]["all_objects"]["labels"]["train"]
    known |= {float(len(splits["sources"])), float(len(labels)), float(max(len(labels) - 20, 0))}
    alike: dict[tuple[str, str], list[int]] = {}
    for repair in (repair for record in evidence.imports.values() for repair in record["repairs"]):
        alike.setdefault((repair["what"], " ".join(repair["why"].split())), []).append(repair["count"])
    known |= {float(number) for counts in alike.values() for number in (sum(counts), len(counts))}
    known.add(float(len(evidence.imports)))
    return known


def _walk(value: Any) -> Iterator[float]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from (float(n.rstrip("%").replace("−", "-")) for n in _NUMBER.findall(value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(key)
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
