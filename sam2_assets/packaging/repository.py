"""The model repository: adapter, card, example, serving description and the evidence behind every number."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2

from sam2_assets.errors import PackagingError
from sam2_assets.evaluation.predictions import read_predictions
from sam2_assets.evaluation.samples import spread_over_tasks
from sam2_assets.evaluation.scores import headline
from sam2_assets.packaging.card import CARD_FILE, render_card
from sam2_assets.packaging.card_gate import card_problems
from sam2_assets.packaging.evidence import SCORES, TRAINING, Evidence, collect
from sam2_assets.packaging.serving import ADAPTER_WEIGHTS, SERVING_FILE, Example, Serving, weights_sha256
from sam2_assets.packaging.settings import ModelCardSettings
from sam2_assets.training.families import family_by_name
from sam2_assets.training.plan import PLAN_FILE, Plan

ADAPTER_FOLDER: Final = "adapter"
EXAMPLE_FILE: Final = "example.py"
GALLERY_FOLDER: Final = "gallery"
# PEFT writes a card of its own beside the weights; ours says more.
_NOT_COPIED: Final = frozenset({CARD_FILE})


@dataclass(frozen=True)
class RepositorySummary:
    """What was written: the model's name, its headline score and how many files there are."""

    name: str
    task: str
    score: str
    value: float
    files: int


def write_repository(
    adapter: Path,
    evaluation: Path,
    plan: Path,
    splits: Path,
    out: Path,
    settings: ModelCardSettings | None = None,
    *,
    imports: Mapping[str, Path] | None = None,
) -> RepositorySummary:
    """Write the model repository and hold its card against the evidence.

    The adapter's files lie at the top, where ``PeftModel.from_pretrained`` looks for them.

    Args:
        adapter: folder published by ``lora_adapter``.
        evaluation: folder published by ``evaluation``, of that adapter.
        plan: ``plan.json`` of the training plan, or the folder that holds it.
        splits: folder published by ``splits``.
        out: folder to write; made if absent.
        settings: of the card.
        imports: partition to the folder of its ``raw_export``, for the list of repairs on the card.

    Raises:
        PackagingError: ``adapter_missing``, ``evidence_unreadable``, ``not_one_run`` if plan, adapter and evaluation
            are not of the same plan, ``card_wrong`` if a number on the card is not that of the evidence.
        TrainingError: ``plan_missing``, ``plan_invalid``.
        DatasetError: ``predictions_unreadable``.
    """
    chosen = settings or ModelCardSettings()
    planned = Plan.read(plan / PLAN_FILE if plan.is_dir() else plan)
    out.mkdir(parents=True, exist_ok=True)
    _copy_adapter(adapter / ADAPTER_FOLDER, out)
    evidence = collect(adapter, evaluation, planned, splits, imports or {}, out)
    _check_one_run(planned, evidence)
    serving = _serving(planned, evaluation, out, chosen)
    (out / SERVING_FILE).write_text(serving.to_json(), encoding="utf-8")
    (out / EXAMPLE_FILE).write_text(_example(serving), encoding="utf-8")
    gallery = _copy_gallery(evaluation, out) if chosen.gallery else []
    (out / CARD_FILE).write_text(render_card(evidence, serving, chosen, gallery), encoding="utf-8")
    problems = card_problems(out)
    if problems:
        raise PackagingError(
            "card_wrong",
            f"{len(problems)} statements are not those of the evidence; the first: {problems[0]}",
            file=CARD_FILE,
            remedy="This is a defect of the card's template: report it.",
        )
    task, name = headline(evidence.scores)
    score = evidence.scores["tasks"][task]["scores"][name]
    written = sum(1 for path in out.rglob("*") if path.is_file())
    return RepositorySummary(serving.name, task, score["title"], score["systems"]["adapter"]["value"], written)


def _copy_adapter(source: Path, out: Path) -> None:
    if not (source / ADAPTER_WEIGHTS).is_file():
        raise PackagingError(
            "adapter_missing",
            "no adapter weights",
            file=str(source / ADAPTER_WEIGHTS),
            remedy="Materialize lora_adapter, or give the folder that it published.",
        )
    for path in sorted(source.rglob("*")):
        target = out / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.relative_to(source).as_posix() not in _NOT_COPIED:
            shutil.copyfile(path, target)


def _check_one_run(plan: Plan, evidence: Evidence) -> None:
    hashes = {
        f"{TRAINING}: plan_hash": evidence.training.get("plan_hash"),
        f"{SCORES}: provenance.plan_hash": evidence.scores.get("provenance", {}).get("plan_hash"),
    }
    for field, value in hashes.items():
        if value != plan.plan_hash:
            raise PackagingError(
                "not_one_run",
                f"it belongs to another plan than {plan.plan_hash[:12]}",
                field=field,
                value=value,
                remedy="Give adapter, evaluation and plan of the same run.",
            )


def _serving(plan: Plan, evaluation: Path, out: Path, settings: ModelCardSettings) -> Serving:
    rows = read_predictions(evaluation)
    kept = [rows[index] for index in spread_over_tasks([row["task"] for row in rows], settings.examples)]
    base_name = re.sub(r"[^A-Za-z0-9._-]+", "-", plan.base.name.split("/")[-1])
    where = plan.config.base_model
    # A folder of this machine means nothing elsewhere; a relative one may be part of a project that travels.
    portable = plan.base.commit is not None or not Path(where).expanduser().is_absolute()
    return Serving(
        name=f"{base_name}-{plan.plan_hash[:8]}",
        plan_hash=plan.plan_hash,
        base=plan.base,
        base_reference=where if portable else None,
        coordinates=str(family_by_name(plan.base.family).coordinates),
        precision=plan.config.precision,
        max_new_tokens=plan.config.max_answer_tokens,
        adapter_sha256=weights_sha256(out),
        examples=[_expected(row) for row in kept],
    )


def _expected(row: Mapping[str, Any]) -> Example:
    return Example(sample_id=row["sample_id"], question=row["question"], expected=row["adapter_text"])


def _example(serving: Serving) -> str:
    source = files("sam2_assets.packaging").joinpath("example.py.j2").read_text(encoding="utf-8")
    template = jinja2.Template(source, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return str(template.render(name=serving.name, reference=serving.base_reference))


def _copy_gallery(evaluation: Path, out: Path) -> list[str]:
    pictures = sorted((evaluation / GALLERY_FOLDER).glob("*.png"))
    (out / GALLERY_FOLDER).mkdir(exist_ok=True)
    for path in pictures:
        shutil.copyfile(path, out / GALLERY_FOLDER / path.name)
    return [path.name for path in pictures]
