"""Commands for people whose files are on their laptop: submit, status, fetch, settings, approve."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from rich.console import Console
from rich.table import Column, Table

from sam2_assets import inbox
from sam2_assets.approvals import approval_of
from sam2_assets.approvals import approve as record_approval
from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.checks.gates import verdict
from sam2_assets.checks.verdicts import WAIVABLE, waiver_command
from sam2_assets.cli.instance import (
    Outcome,
    Platform,
    Say,
    add_partition,
    daemon_is_up,
    failure_reasons,
    open_platform,
    run_here,
)
from sam2_assets.cli.printing import Lines
from sam2_assets.errors import SettingsError, StoreError
from sam2_assets.quality import refuse_pointless_waivers
from sam2_assets.resources.store import settings_file
from sam2_assets.settings import Layer, describe, parse_layer, read_layer, resolve
from sam2_assets.storage import Storage
from sam2_assets.training.plan import PLAN_FILE, Plan, needs_approval

STATIONS = (
    "raw_export",
    "instruction_dataset",
    "quality_report",
    "splits",
    "training_plan",
    "lora_adapter",
    "evaluation",
    "model_card",
    "deploy_image",
)
_CORPUS_NAME = "corpus"


def _scope(name: str) -> tuple[Scope, str | None]:
    return (CORPUS, None) if name == _CORPUS_NAME else (VIDEO, name)


def _require_known(platform: Platform, name: str) -> tuple[Scope, str | None]:
    scope, partition = _scope(name)
    known = platform.instance.get_dynamic_partitions("videos")
    if partition is not None and partition not in known:
        close = ", ".join(sorted(known)[:10]) or "none yet; submit an export first"
        raise StoreError(
            "unknown_partition",
            "there is no such partition",
            field="partition",
            value=name,
            remedy=f"One of: {close}; or `corpus`.",
        )
    return scope, partition


def submit(archive: Path, video: Path | None, settings: Path | None) -> int:
    """Put an export into the inbox; without a running daemon, run the line to the training plan here."""
    with open_platform() as platform:
        if settings is not None:
            _refuse_bad(read_layer(settings))
        upload = inbox.submit(platform.store.open().inbox, archive, video=video, settings=settings)
        print(f"{upload.object_key} is in the inbox: partition {upload.partition}")
        if daemon_is_up(platform.instance):
            print("The inbox sensor starts the line within half a minute.")
            print(f"next: sam2-assets status {upload.partition}")
            return 0
        print("No daemon is running (make ui starts one); running the line here.")
        add_partition(platform.instance, upload.partition)
        return _finish(run_here(platform, "ingest", upload.partition, Say()), upload.partition)


def _finish(outcome: Outcome, name: str) -> int:
    for reason in outcome.reasons:
        print(f"failed: {reason}")
    print(f"next: sam2-assets status {name}")
    return 0 if outcome.success else 2


def _furthest(platform: Platform, scope: Scope, partition: str | None) -> dict[str, Materialized]:
    found = {name: current(platform.instance, scope.key(name), partition) for name in STATIONS if _exists(scope, name)}
    return {name: at for name, at in found.items() if at is not None}


def _exists(scope: Scope, name: str) -> bool:
    return scope.partitions is not None or name in STATIONS[STATIONS.index("splits") :]


def _last_failure(platform: Platform, partition: str | None) -> list[str]:
    if partition is None:
        return []
    tags = {"dagster/partition": partition}
    runs = platform.instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
    return failure_reasons(platform.instance, runs[0].run_id) if runs and runs[0].is_failure else []


@dataclass(frozen=True)
class ClosedGate:
    """A gate that did not pass on the newest data: what it says, what to do, and whether it can be waived."""

    name: str
    message: str
    remedy: str
    waivable: bool


def _closed_gates(platform: Platform, scope: Scope, made: Mapping[str, Materialized]) -> list[ClosedGate]:
    gated = {"raw_export": scope.table_gates, "splits": scope.split_gates, "training_plan": scope.plan_gates}
    closed = []
    for station, gates in gated.items():
        if station not in made:
            continue
        for gate in gates:
            record = verdict(platform.instance, gate, made[station])
            if record is not None and record.evaluation is not None and not record.evaluation.passed:
                said = {name: str(value.value) for name, value in record.evaluation.metadata.items()}
                waivable = scope.partitions is not None and gate.name in WAIVABLE
                closed.append(ClosedGate(gate.name, said.get("message", ""), said.get("remedy", ""), waivable))
    return closed


def _plan_waits(platform: Platform, made: Mapping[str, Materialized]) -> bool:
    if "training_plan" not in made or "lora_adapter" in made:
        return False
    opened = platform.store.open()
    plan = Plan.read(opened.open(made["training_plan"].ref) / PLAN_FILE)
    return needs_approval(plan) and approval_of(opened.files, plan.plan_hash) is None


def status(name: str | None) -> None:
    """Print where every export and the corpus stand, or one of them in detail."""
    console = Console()
    with open_platform() as platform:
        if name is not None:
            scope, partition = _require_known(platform, name)
            _print_one(console, platform, scope, partition, name)
            return
        table = Table(Column("partition", no_wrap=True), "export", "reached", "what it waits for")  # keys are copied
        uploads = {u.partition: u.object_key for u in inbox.scan(platform.store.open().inbox)}
        for partition in sorted({*platform.instance.get_dynamic_partitions("videos"), *uploads}):
            made = _furthest(platform, VIDEO, partition)
            table.add_row(
                partition, uploads.get(partition, "gone"), _reached(made), _waits(platform, VIDEO, partition, made)
            )
        made = _furthest(platform, CORPUS, None)
        table.add_row(_CORPUS_NAME, "", _reached(made), _waits(platform, CORPUS, None, made))
        console.print(table)


def _reached(made: Mapping[str, Materialized]) -> str:
    return next((name for name in reversed(STATIONS) if name in made), "nothing yet")


def _waits(platform: Platform, scope: Scope, partition: str | None, made: Mapping[str, Materialized]) -> str:
    failures, closed = _last_failure(platform, partition), _closed_gates(platform, scope, made)
    if closed:
        return "; ".join(f"gate {gate.name}" for gate in closed)
    if failures:
        return failures[0]
    if _plan_waits(platform, made):
        return f"approval: sam2-assets approve {partition or _CORPUS_NAME}"
    return ""


def _print_one(console: Console, platform: Platform, scope: Scope, partition: str | None, name: str) -> None:
    made = _furthest(platform, scope, partition)
    table = Table("asset", "version", "bytes at")
    for station in STATIONS:
        if _exists(scope, station):
            at = made.get(station)
            table.add_row(station, at.ref.sha256[:12] if at else "-", at.ref.path if at else "")
    console.print(table)
    lines = Lines()
    closed = _closed_gates(platform, scope, made)
    for gate in closed:
        lines.say(f"gate {gate.name}: {gate.message}", style="red")
        lines.say(f"to do: {gate.remedy}", indent=2)
        if gate.waivable:
            lines.say("or accept it, with a reason that the model card will print:", indent=2)
            lines.command(waiver_command(gate.name, name), indent=4)
    if closed and partition is not None:
        lines.say("after a change: submit the export again; with make ui running, the inbox sensor sees it.")
    # A step that met a closed gate would only repeat it.
    for reason in _last_failure(platform, partition):
        if not any(gate.name in reason for gate in closed):
            lines.say(f"failed: {reason}", style="red")
    if _plan_waits(platform, made):
        console.print(f"next: sam2-assets approve {name}")


def fetch(name: str, asset: str, out: Path) -> None:
    """Copy the newest version of an artifact into ``out``, complete or not at all.

    Raises:
        StoreError: ``unknown_asset``, ``not_materialized`` or ``folder_in_the_way``.
    """
    with open_platform() as platform:
        scope, partition = _require_known(platform, name)
        if asset not in STATIONS or not _exists(scope, asset):
            raise StoreError(
                "unknown_asset",
                "there is no such asset",
                field="asset",
                value=asset,
                remedy=f"One of: {', '.join(STATIONS)}.",
            )
        found = current(platform.instance, scope.key(asset), partition)
        if found is None:
            raise StoreError(
                "not_materialized",
                "there is no version of it yet",
                file=f"{name}/{asset}",
                remedy=f"`sam2-assets status {name}` says what it waits for.",
            )
        if out.exists() and any(out.iterdir()):
            raise StoreError("folder_in_the_way", "the folder is not empty", file=str(out), remedy="Name a new folder.")
        source = platform.store.open().open(found.ref)
        draft = out.with_name(f".draft-{out.name}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft)
        if out.exists():
            out.rmdir()
        draft.rename(out)
        print(f"{found.name}: {out}")


def settings(name: str | None, changes: Sequence[str], *, explain: bool) -> None:
    """Print the settings of a partition with the file each comes from; or write changes into its settings file."""
    console = Console()
    if explain or name is None:
        table = Table("setting", "default", "meaning")
        for row in describe():
            table.add_row(*row)
        console.print(table)
        return
    with open_platform() as platform:
        _, partition = _scope(name)
        if changes:
            files = platform.store.open().files
            _change(files, settings_file(files, partition), changes)
        resolved = platform.store.settings(partition)
        values = resolved.settings.model_dump(mode="json")
        table = Table("setting", "value", "from")
        for setting, _, _ in describe():
            value: Any = values
            for part in setting.split("."):
                value = value[part]
            source = next((o for f, o in resolved.origins.items() if f == setting or f.startswith(f"{setting}.")), "")
            table.add_row(setting, str(value), Path(source).name if source else "[dim]default[/]")
        console.print(table)


def _refuse_bad(layer: Layer) -> None:
    """Refuse settings that nobody could follow before they are in the store."""
    refuse_pointless_waivers(resolve([layer]).settings.quality)


def _typed(text: str) -> Any:
    """What the text means in YAML; a sentence stays one, though it may hold a colon or a bracket."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, dict) and not text.lstrip().startswith("{") else value


def _change(files: Storage, sidecar: str, changes: Sequence[str]) -> None:
    values: dict[str, Any] = dict(parse_layer(files.read(sidecar), files.shown(sidecar)).values)
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator or "." not in path:
            raise SettingsError(
                "not_a_change", "a change is section.field=value", value=change, remedy="E.g. splitting.segments=2."
            )
        *sections, last = path.strip().split(".")
        place = values
        for section in sections:
            inside = place.get(section)
            place[section] = inside if isinstance(inside, dict) else {}
            place = place[section]
        place[last] = _typed(text)
    _refuse_bad(Layer(files.shown(sidecar), values))
    files.write(sidecar, yaml.safe_dump(values, allow_unicode=True, sort_keys=False).encode())
    print(f"written: {files.shown(sidecar)}")


def approve(name: str, by: str | None, *, run: bool) -> int:
    """Record the approval of the newest plan; with ``run``, execute it here."""
    with open_platform() as platform:
        scope, partition = _require_known(platform, name)
        found = current(platform.instance, scope.key("training_plan"), partition)
        if found is None:
            raise StoreError(
                "not_materialized",
                "there is no training plan yet",
                file=name,
                remedy=f"`sam2-assets status {name}` says what it waits for.",
            )
        opened = platform.store.open()
        plan = Plan.read(opened.open(found.ref) / PLAN_FILE)
        approval = record_approval(opened.files, plan.plan_hash, by or getpass.getuser())
        figures = plan.estimate
        print(
            f"plan {plan.plan_hash[:12]} of {name}: {plan.base.name}, {figures.steps} steps, "
            f"{figures.gpu_hours:.3g} GPU-hours on {plan.config.card.name}, cost {figures.cost:.2f}: "
            f"approved by {approval.approved_by}"
        )
        job = "train_corpus" if partition is None else "train_video"
        if not run:
            print(f"next: launch the job {job} in the UI, or: sam2-assets approve {name} --run")
            return 0
        return _finish(run_here(platform, job, partition, Say()), name)
