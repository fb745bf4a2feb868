"""The files a card's numbers come from: copied into the repository as ``evidence/``, and read back from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sam2_assets.errors import PackagingError
from sam2_assets.training.plan import PLAN_FILE, Plan

EVIDENCE_FOLDER: Final = "evidence"
SCORES: Final = "scores.json"
SPLITS: Final = "splits.json"
TRAINING: Final = "training.json"


@dataclass(frozen=True)
class Evidence:
    """The parsed files.

    Args:
        scores: of the evaluation.
        splits: what ``splitting`` recorded.
        training: what the training recorded.
        plan: the training plan, its base model by name only (where it lay is no part of a published file).
        imports: partition to ``import.json``, where given.
    """

    scores: Mapping[str, Any]
    splits: Mapping[str, Any]
    training: Mapping[str, Any]
    plan: Mapping[str, Any]
    imports: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, repository: Path) -> Evidence:
        """Read what :func:`collect` copied.

        Raises:
            PackagingError: ``evidence_unreadable``.
        """
        folder = repository / EVIDENCE_FOLDER
        imports = {path.stem: _read(path) for path in sorted((folder / "imports").glob("*.json"))}
        scores, splits, training, plan = (_read(folder / name) for name in (SCORES, SPLITS, TRAINING, PLAN_FILE))
        return cls(scores, splits, training, plan, imports)


def collect(
    adapter: Path, evaluation: Path, plan: Plan, splits: Path, imports: Mapping[str, Path], out: Path
) -> Evidence:
    """Copy the evidence into the repository ``out`` and read it back.

    Args:
        adapter: folder published by ``lora_adapter``.
        evaluation: folder published by ``evaluation``.
        plan: the training plan.
        splits: folder published by ``splits``.
        imports: partition to the folder of its ``raw_export``.
        out: the repository.

    Raises:
        PackagingError: ``evidence_unreadable``.
    """
    folder = out / EVIDENCE_FOLDER
    (folder / "imports").mkdir(parents=True, exist_ok=True)
    sources = {SCORES: evaluation / SCORES, SPLITS: splits / SPLITS, TRAINING: adapter / TRAINING}
    sources |= {f"imports/{name}.json": path / "import.json" for name, path in sorted(imports.items())}
    for name, source in sources.items():
        _read(source)
        shutil.copyfile(source, folder / name)
    if not imports:
        (folder / "imports").rmdir()
    shown = plan.model_dump(mode="json")
    shown["config"]["base_model"] = plan.base.name
    (folder / PLAN_FILE).write_text(json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    return Evidence.read(out)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PackagingError(
            "evidence_unreadable",
            f"cannot be read ({error})",
            file=str(path),
            remedy="Materialize the asset that publishes it again.",
        ) from error
    if not isinstance(content, dict):
        raise PackagingError(
            "evidence_unreadable",
            "not a JSON object",
            file=str(path),
            value=content,
            remedy="Materialize the asset that publishes it again.",
        )
    return content
