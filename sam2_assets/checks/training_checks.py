"""The gates of training: on the splits what makes a score meaningless, on the plan what does not fit."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.assets.scope import FIT_TO_TRAIN, LEAKAGE_GATE, PLAN_GATES, SIZE_GATE, Scope
from sam2_assets.assets.station import failures_explained
from sam2_assets.checks.verdicts import TO_ASK_FOR_LESS, TO_USE_IN_CORPUS, results, settings_command, spec
from sam2_assets.errors import StoreError
from sam2_assets.quality import Stage, assess
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.resources import StoreResource
from sam2_assets.splitting import GateResult, enough_samples, no_leakage, read_splits
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.tables import Tables
from sam2_assets.training.plan import PLAN_FILE, Plan

LABELS_CHECK = "one_vocabulary"
_MEANINGS = {
    LEAKAGE_GATE: "No validation or test frame lies within the guard gap of a training frame, or looks like one.",
    LABELS_CHECK: "The videos of the corpus name their classes alike, and none was imported before the label map.",
    SIZE_GATE: "There are enough training, validation and test frames for a score to mean something.",
    "fits_card": "The training fits into the declared card's memory.",
    "within_budget": "The training stays within training.budget.max_gpu_hours.",
    "enough_training_samples": "There is at least one full step of training samples.",
    "has_validation_samples": "There are validation samples to see overfitting by.",
}


def _data(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> Materialized:
    partition = context.partition_key if context.has_partition_key else None
    found = current(context.instance, key, partition, context.run.run_id)
    if found is None:
        raise StoreError(
            "not_materialized",
            "there is no version of it yet",
            file=key.to_user_string(),
            remedy="Materialize it first.",
        )
    return found


def _gate_spec(scope: Scope, asset: str, name: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=name,
        asset=scope.key(asset),
        blocking=True,
        description=_MEANINGS[name],
        partitions_def=scope.partitions,
    )


def _result(
    key: dg.AssetKey,
    data: Materialized,
    name: str,
    passed: bool,
    message: str,
    remedy: str,
    commands: Mapping[str, str] | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=message if passed else f"{message}. {remedy}",
        metadata={"data_version": data.ref.sha256, "message": message, "remedy": remedy, **(commands or {})},
    )


def _vocabulary(key: dg.AssetKey, data: Materialized, folder: Path) -> dg.AssetCheckResult:
    """Warns of labels that look like one class, with the entries of a label map that would make them one."""
    found = json.loads((folder / "splits.json").read_text(encoding="utf-8"))["labels"]
    said = [
        f"{' and '.join(repr(label) for label in each['labels'])} look like one class" for each in found["near_same"]
    ]
    said += [f"{partition} was imported before the label map" for partition in found["not_mapped"]]
    remedy = "Put the entries into importing.label_map of settings.yaml and import these videos again."
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=LABELS_CHECK,
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(said)}. {remedy}" if said else "ok",
        metadata={
            "data_version": data.ref.sha256,
            "message": "; ".join(said) or "ok",
            "remedy": remedy if said else "",
            "suggested_label_map": dg.MetadataValue.json(found["suggested_map"]),
            "labels_not_mapped": dg.MetadataValue.json(found["not_mapped"]),
        },
    )


def _commands(scope: Scope, partition: str | None, name: str, outcome: GateResult) -> dict[str, str]:
    """What else a person can type about a failed gate of the splits."""
    found = {}
    if outcome.settings:
        found[TO_ASK_FOR_LESS] = settings_command(outcome.settings, partition)
    if name == SIZE_GATE and not outcome.passed and scope.partitions is not None:
        found[TO_USE_IN_CORPUS] = "sam2-assets launch plan_corpus"
    return found


def training_gates(scope: Scope) -> list[dg.AssetChecksDefinition]:
    """The checks on ``splits`` and ``training_plan`` of one scope."""
    splits_key, plan_key = scope.key("splits"), scope.key("training_plan")
    quality = [] if scope.partitions is None else [spec(check, splits_key, scope.partitions) for check in FIT_TO_TRAIN]
    split_specs = [*quality, *(_gate_spec(scope, "splits", name) for name in (LEAKAGE_GATE, SIZE_GATE))]
    if scope.partitions is None:
        split_specs.append(dg.AssetCheckSpec(LABELS_CHECK, asset=splits_key, description=_MEANINGS[LABELS_CHECK]))

    @dg.multi_asset_check(name=f"{scope.group}_split_gates", specs=split_specs)
    def split_gates(context: dg.AssetCheckExecutionContext, store: StoreResource) -> Iterator[dg.AssetCheckResult]:
        """Is the data fit to train on, by the thresholds and waivers recorded with the splits?"""
        with failures_explained():
            data, opened = _data(context, splits_key), store.open()
            folder = opened.open(data.ref)
            if quality:
                raw = opened.open(opened.inputs(data.ref)["raw_export"])
                settings = QualitySettings.model_validate_json((folder / "quality_settings.json").read_bytes())
                findings = assess(Tables.read(raw), raw, settings, stage=Stage.TRAINING_PLAN)
                shown = {check.id for check in FIT_TO_TRAIN}
                yield from results(findings, data, splits_key, [v for v in findings.verdicts if v.check_id in shown])
            table = read_splits(folder)
            split_settings = SplitSettings.model_validate_json((folder / "settings.json").read_bytes())
            for name, measure in ((LEAKAGE_GATE, no_leakage), (SIZE_GATE, enough_samples)):
                outcome = measure(table, split_settings)
                commands = _commands(scope, data.partition, name, outcome)
                yield _result(splits_key, data, name, outcome.passed, outcome.message, outcome.remedy, commands)
            if scope.partitions is None:
                yield _vocabulary(splits_key, data, folder)

    plan_specs = [_gate_spec(scope, "training_plan", name) for name in PLAN_GATES]

    @dg.multi_asset_check(name=f"{scope.group}_plan_gates", specs=plan_specs)
    def plan_gates(context: dg.AssetCheckExecutionContext, store: StoreResource) -> Iterator[dg.AssetCheckResult]:
        """Does the plan fit the card and the budget?"""
        with failures_explained():
            data = _data(context, plan_key)
            plan = Plan.read(store.open().open(data.ref) / PLAN_FILE)
            for check in plan.checks:
                yield _result(plan_key, data, check.id, check.passed, check.message, check.remedy)

    return [split_gates, plan_gates]
