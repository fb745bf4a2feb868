"""What would stop an export further down the line: its splits and its plan, made as the graph makes them, not kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam2_assets.errors import DatasetError, Sam2AssetsError
from sam2_assets.instructions import InstructionSettings, build_dataset
from sam2_assets.settings import Settings
from sam2_assets.splitting import Source, enough_samples, no_leakage, read_splits, split
from sam2_assets.training.inventory import take_inventory
from sam2_assets.training.plan import PlanCheck, data_checks, make_plan

DATASET, SPLITS, PLAN, ADAPTER = "instruction_dataset", "splits", "training_plan", "lora_adapter"
"""The stations that can be stopped."""


@dataclass(frozen=True)
class Hurdle:
    """A gate that would stop a station.

    Args:
        check: its id; of a station that cannot work at all, the error's code.
        gates: the station.
        message: what was measured.
        remedy: what to do.
        settings: changes ``section.field=value`` that would open it; empty if none would.
    """

    check: str
    gates: str
    message: str
    remedy: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outlook:
    """What lies ahead of an export whose tables are sound.

    Args:
        hurdles: the gates that would stop it.
        counts: frames of train, val, test and guard; empty if the export cannot be split.
        plan_complete: whether the gates that need a base model were measured, too.
    """

    hurdles: tuple[Hurdle, ...]
    counts: dict[str, int]
    plan_complete: bool


def outlook(raw: Path, video_id: str, settings: Settings, scratch: Path) -> Outlook:
    """Make dataset, splits and, as far as the settings name a base model on this machine, the plan.

    Args:
        raw: folder of a readable export whose tables are sound.
        video_id: of it.
        settings: that hold for it.
        scratch: an empty folder.

    Raises:
        SettingsError: settings of tasks or ratios that cannot be followed.
    """
    dataset, splits = scratch / "dataset", scratch / "splits"
    try:
        chosen = settings.instructions.model_dump() | {"formats": []}
        build_dataset(raw, dataset, InstructionSettings.model_validate(chosen))
    except DatasetError as error:
        return Outlook((Hurdle(error.code, DATASET, error.problem, error.remedy),), {}, False)
    source = Source(video_id, "inspected", dataset, {"sha256": ""}, raw=raw)
    try:
        counts = split([source], splits, settings.splitting).counts
    except DatasetError as error:
        return Outlook((Hurdle(error.code, SPLITS, error.problem, error.remedy),), {}, False)
    table = read_splits(splits)
    hurdles = [
        Hurdle(name, PLAN, gate.message, gate.remedy, gate.settings)
        for name, gate in [
            ("no_leakage", no_leakage(table, settings.splitting)),
            ("enough_samples", enough_samples(table, settings.splitting)),
        ]
        if not gate.passed
    ]
    try:
        checks, complete = _plan_checks(splits, {video_id: dataset}, settings)
    except Sam2AssetsError as error:
        return Outlook((*hurdles, Hurdle(error.code, PLAN, error.problem, error.remedy)), counts, False)
    hurdles += [Hurdle(check.id, ADAPTER, check.message, check.remedy) for check in checks if not check.passed]
    return Outlook(tuple(hurdles), counts, complete)


def _plan_checks(splits: Path, datasets: dict[str, Path], settings: Settings) -> tuple[list[PlanCheck], bool]:
    """The plan's checks; without a base model on this machine, those of the data alone. A hub is not asked."""
    config = settings.training
    if Path(config.base_model).expanduser().is_dir():
        return make_plan(splits, config, datasets=datasets).checks, True
    return data_checks(config, take_inventory(splits, datasets, config)), False
