"""The training plan: everything that decides a run, what it will cost, and whether it may start. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.errors import TrainingError
from sam2_assets.training.config import BudgetSettings, TrainingConfig
from sam2_assets.training.estimate import Estimate, PastRun, estimate
from sam2_assets.training.families import ModelFamily, ModelShape, family_by_name, read_config
from sam2_assets.training.fitting import fit_in_words, what_to_set
from sam2_assets.training.identity import BaseModelIdentity, identify
from sam2_assets.training.inventory import DataIdentity, take_inventory
from sam2_assets.training.targets import check_targets

PLAN_FILE = "plan.json"
RECIPE = 4
"""Raised whenever a change of the code changes the weights that the same configuration and data give."""


class PlanCheck(BaseModel):
    """One condition that a plan must meet before it may run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="stable name")
    passed: bool = Field(description="whether the plan meets it")
    message: str = Field(description="what was found, with the numbers")
    remedy: str = Field(description="what to change; empty if it passed")


class Plan(BaseModel):
    """A resolved training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_hash: str = Field(description="sha256 of what decides the weights")
    recipe: int = Field(description="version of the training code's numerics")
    config: TrainingConfig
    base: BaseModelIdentity
    data: DataIdentity
    estimate: Estimate
    checks: list[PlanCheck]

    def to_json(self) -> str:
        """The plan as JSON text; the same plan gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, file: str = PLAN_FILE) -> Plan:
        """Read what :meth:`to_json` wrote.

        Raises:
            TrainingError: ``plan_invalid`` if it is not a plan, or its hash does not match its contents.
        """
        try:
            plan = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise TrainingError(
                "plan_invalid",
                str(first["msg"]),
                file=file,
                field=".".join(str(part) for part in first["loc"]) or None,
                remedy="Materialize training_plan again.",
            ) from error
        if plan.plan_hash != plan_hash(plan.config, plan.base, plan.data, plan.recipe):
            raise TrainingError(
                "plan_invalid",
                "the plan was changed after it was made: its hash does not match",
                file=file,
                field="plan_hash",
                value=plan.plan_hash,
                remedy="Materialize training_plan again with the configuration you want.",
            )
        return plan

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read a plan file.

        Raises:
            TrainingError: ``plan_missing`` or ``plan_invalid``.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(
                "plan_missing", f"cannot be read ({error})", file=str(file), remedy="Materialize training_plan first."
            ) from error
        return cls.from_json(text, file=str(file))

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def plan_hash(config: TrainingConfig, base: BaseModelIdentity, data: DataIdentity, recipe: int = RECIPE) -> str:
    """sha256 of what decides the weights: configuration, base model's contents, data, recipe. Paths do not enter."""
    deciding = config.deciding_fields()
    # Where the base model lies does not matter, only what it is.
    deciding.pop("base_model")
    deciding.pop("revision")
    deciding.pop("family")
    content = {
        "config": deciding,
        "base": base.fingerprint,
        "family": base.family,
        "splits": data.splits_sha256,
        "datasets": data.dataset_sha256,
        "recipe": recipe,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_plan(
    splits: Path, config: TrainingConfig, *, datasets: Mapping[str, Path], history: Sequence[PastRun] = ()
) -> Plan:
    """Resolve a configuration against data and base model. Opens no picture and loads no weights.

    Args:
        splits: folder published by ``splits``.
        config: what the person chose.
        datasets: video id to the folder of its instruction dataset.
        history: measurements of earlier runs, oldest first.

    Raises:
        TrainingError: about the base model (see ``identify``), or ``lora_targets`` that none of its layers fits.
        DatasetError: about splits or datasets (see ``take_inventory``).
    """
    base = identify(config.base_model, config.revision, config.family)
    data = take_inventory(splits, datasets, config)
    family = family_by_name(base.family)
    shape = shape_for(config, family, data)
    check_targets(config.lora.targets, family, shape)
    figures = estimate(shape, config, data.workload, base.fingerprint, history)
    return Plan(
        plan_hash=plan_hash(config, base, data),
        recipe=RECIPE,
        config=config,
        base=base,
        data=data,
        estimate=figures,
        checks=_checks(shape, config, data, figures),
    )


def shape_for(config: TrainingConfig, family: ModelFamily, data: DataIdentity) -> ModelShape:
    """Sizes of the base model, with the picture tokens of these data's frames.

    Raises:
        TrainingError: ``base_model_missing``, ``base_model_unreachable`` or ``base_model_unreadable``.
    """
    contents = read_config(config.base_model, config.revision)
    return family.shape(contents, data.frames_by_size, family.picture_settings(config.base_model, config.revision))


def needs_approval(plan: Plan) -> bool:
    """Whether a person must approve the plan before it runs: it costs more than ``auto_approve_gpu_hours``."""
    return plan.estimate.gpu_hours > plan.config.budget.auto_approve_gpu_hours


def _checks(shape: ModelShape, config: TrainingConfig, data: DataIdentity, figures: Estimate) -> list[PlanCheck]:
    card, budget = config.card, config.budget
    fits = figures.memory_gib <= card.memory_gib
    return [
        _check(
            "fits_card",
            fits,
            fit_in_words(config, figures),
            "" if fits else what_to_set(shape, config, data.workload),
        ),
        _budget_check(budget, figures),
        *data_checks(config, data),
    ]


def _budget_check(budget: BudgetSettings, figures: Estimate) -> PlanCheck:
    limits = [("max_gpu_hours", figures.gpu_hours, budget.max_gpu_hours, "GPU-hours")]
    if budget.max_cost is not None:
        limits.append(("max_cost", figures.cost, budget.max_cost, "in your currency"))
    broken = [f"budget.{name}" for name, needed, limit, _ in limits if needed > limit]
    return _check(
        "within_budget",
        not broken,
        ", ".join(f"{needed:g} of at most {limit:g} {unit}" for _, needed, limit, unit in limits)
        + f" ({figures.based_on})",
        f"Lower epochs, max_steps or max_samples, or raise {' and '.join(broken)}.",
    )


def data_checks(config: TrainingConfig, data: DataIdentity) -> list[PlanCheck]:
    """The conditions that need no base model: is there enough to train on and to validate with?"""
    per_step = config.batch_size * config.gradient_accumulation
    few = config.max_samples is not None and config.max_samples < per_step
    return [
        _check(
            "enough_training_samples",
            data.train_samples >= per_step,
            f"{data.train_samples} training samples for steps of {per_step}",
            f"{'Raise max_samples' if few else 'Annotate more frames'}, or lower batch_size and gradient_accumulation.",
        ),
        _check(
            "has_validation_samples",
            data.val_samples > 0,
            f"{data.val_samples} validation samples",
            "Annotate a longer video: without a validation split nobody sees when the model starts to overfit.",
        ),
    ]


def _check(name: str, passed: bool, message: str, remedy: str) -> PlanCheck:
    return PlanCheck(id=name, passed=passed, message=message, remedy="" if passed else remedy)
