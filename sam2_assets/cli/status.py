"""``sam2-assets status``: where every export stands, what runs, what stops it and what to type next."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from sam2_assets import inbox
from sam2_assets.approvals import approval_of
from sam2_assets.assets.lineage import Materialized
from sam2_assets.assets.repeats import known_twins
from sam2_assets.assets.scope import Scope
from sam2_assets.checks.gates import verdict
from sam2_assets.checks.verdicts import WAYS_ON
from sam2_assets.cli.activity import CORPUS_NAME, Activity, last_failure, under_way
from sam2_assets.cli.instance import Platform, open_platform
from sam2_assets.cli.printing import Lines, plan_in_words
from sam2_assets.cli.targets import STATIONS, has_station, require_known, scope_of, versions
from sam2_assets.partitions import videos
from sam2_assets.quarantine import Quarantined, quarantined
from sam2_assets.training.plan import PLAN_FILE, Plan, needs_approval

_APPROVAL = "waits for approval"
_MOST_COMMANDS = 10
_MOST_TWINS = 2
_NEVER_RAN = "not measured on this data, which an earlier version may have made"


@dataclass(frozen=True)
class ClosedGate:
    """A gate that did not pass, or never ran, on the newest data: what it says, what to do, commands that open it."""

    name: str
    message: str
    remedy: str
    commands: Mapping[str, str]
    """How to say it, and what to type."""


def _closed_gates(platform: Platform, scope: Scope, made: Mapping[str, Materialized]) -> list[ClosedGate]:
    """Those that failed; if none did, those that never ran, as after an update that brought new checks."""
    gated = {"raw_export": scope.table_gates, "splits": scope.split_gates, "training_plan": scope.plan_gates}
    closed, unmeasured = [], []
    for station, gates in gated.items():
        if station not in made:
            continue
        for gate in gates:
            record = verdict(platform.instance, gate, made[station])
            if record is None:
                unmeasured.append(ClosedGate(gate.name, _NEVER_RAN, "Import it again, so that it is measured.", {}))
            elif record.evaluation is not None and not record.evaluation.passed:
                said = {name: str(value.value) for name, value in record.evaluation.metadata.items()}
                commands = {words: said[way] for way, words in WAYS_ON.items() if way in said}
                closed.append(ClosedGate(gate.name, said.get("message", ""), said.get("remedy", ""), commands))
    return closed or unmeasured


def _plan(platform: Platform, made: Mapping[str, Materialized]) -> Plan | None:
    """The newest training plan, if there is one."""
    if "training_plan" not in made:
        return None
    return Plan.read(platform.store.open().open(made["training_plan"].ref) / PLAN_FILE)


def _waits_for_approval(platform: Platform, plan: Plan | None) -> bool:
    """Whether nobody has approved the plan yet, though it needs it; that an older one was trained changes nothing."""
    if plan is None or not needs_approval(plan):
        return False
    return approval_of(platform.store.open().files, plan.plan_hash) is None


def status(name: str | None) -> None:
    """Print where every export and the corpus stand, or one of them in detail."""
    with open_platform() as platform:
        runs = under_way(platform.instance)
        if name is None:
            _print_all(platform, runs)
            return
        scope, partition = require_known(platform, name)
        _print_one(platform, scope, partition, name, [run for run in runs if run.target == name])


def _print_all(platform: Platform, runs: Sequence[Activity]) -> None:
    table = Table(Column("partition", no_wrap=True), "export", "reached", "now")  # keys are copied
    opened = platform.store.open()
    uploads = {u.partition: u for u in inbox.scan(opened.inbox)}
    bad = quarantined(opened.files)
    twins = known_twins(platform.instance)
    to_approve = []
    known = sorted({*platform.instance.get_dynamic_partitions(str(videos.name)), *uploads})
    for name in [*known, CORPUS_NAME]:
        scope, partition = scope_of(name)
        made = versions(platform, scope, partition)
        upload = uploads.get(name)
        now = [str(run) for run in runs if run.target == name]
        now = now or _in_quarantine(upload, bad) or _waits(platform, scope, name, made)
        if _APPROVAL in now:
            to_approve.append(name)
        if name in twins:
            more = len(twins[name]) - _MOST_TWINS
            named = ", ".join(twins[name][:_MOST_TWINS] if more > 1 else twins[name])
            now.append(f"same video as {named}{f' and {more} more' if more > 1 else ''}")
        export = "" if partition is None else upload.object_key if upload else "gone"
        table.add_row(name, export, _reached(made), Text("; ".join(now)))
    Console().print(table)
    lines = Lines()
    if not known:
        lines.command("next: sam2-assets submit EXPORT.zip --video VIDEO.mp4")
    # Below the table, where nothing cuts a command short.
    for name in to_approve[:_MOST_COMMANDS]:
        lines.command(f"next: sam2-assets approve {name}")
    if len(to_approve) > _MOST_COMMANDS:
        lines.say(f"{len(to_approve) - _MOST_COMMANDS} more wait for approval")
    idle = inbox.unused(opened.inbox)
    for sentence in idle[:_MOST_COMMANDS]:
        lines.say(f"in the inbox: {sentence}", style="yellow")
    if len(idle) > _MOST_COMMANDS:
        lines.say(f"{len(idle) - _MOST_COMMANDS} more files in the inbox are not read", style="yellow")
    for run in runs:
        if run.target not in {*known, CORPUS_NAME}:
            lines.say(f"{run}: {run.target or 'no export'}")


def _in_quarantine(upload: inbox.Upload | None, bad: Mapping[str, Quarantined]) -> list[str]:
    """Why the version that is in the inbox now is not imported; nothing if it is not in quarantine."""
    record = bad.get(upload.partition) if upload else None
    return [f"quarantine: {record.reason}"] if upload and record and record.fingerprint == upload.fingerprint() else []


def _reached(made: Mapping[str, Materialized]) -> str:
    return next((name for name in reversed(STATIONS) if name in made), "nothing yet")


def _waits(platform: Platform, scope: Scope, name: str, made: Mapping[str, Materialized]) -> list[str]:
    closed = _closed_gates(platform, scope, made)
    if closed:
        return [f"gate {gate.name}" for gate in closed]
    failure = last_failure(platform.instance, name)
    if failure is not None:
        return list(failure.reasons[:1])
    if _waits_for_approval(platform, _plan(platform, made)):
        return [_APPROVAL]
    return []


def _print_one(platform: Platform, scope: Scope, partition: str | None, name: str, runs: Sequence[Activity]) -> None:
    made = versions(platform, scope, partition)
    table = Table("asset", "version", "bytes at")
    for station in STATIONS:
        if has_station(scope, station):
            at = made.get(station)
            table.add_row(station, at.ref.sha256[:12] if at else "-", at.ref.path if at else "")
    Console().print(table)
    lines = Lines()
    for run in runs:
        lines.say(f"{run} (run {run.run_id[:8]})", style="bold green")
    for twin in known_twins(platform.instance).get(name, []):
        lines.say(f"shows the same video as {twin}: the corpus uses the one with more frames", style="yellow")
    for entry in _left_out(platform, made) if partition is None else ():
        lines.say(f"left out: {entry['partition']}: {entry['reason']}", style="yellow")
    # While it runs, a gate that was not measured yet is no news.
    closed = [gate for gate in _closed_gates(platform, scope, made) if not runs or gate.message != _NEVER_RAN]
    _say_gates(lines, closed, partition)
    opened = platform.store.open()
    upload = next((u for u in inbox.scan(opened.inbox) if u.partition == partition), None)
    refused = _in_quarantine(upload, quarantined(opened.files))
    for reason in refused:
        lines.say(reason, style="red")
        lines.say("It is not tried again. Submit a corrected export under the same name.", indent=2)
    failure = None if refused else last_failure(platform.instance, name)
    # A step that met a closed gate would only repeat it.
    reasons = [r for r in failure.reasons if not any(gate.name in r for gate in closed)] if failure else []
    if failure is not None and reasons:
        clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(failure.at))
        lines.say(f"failed: {failure.job} at {clock} (run {failure.run_id[:8]})", style="red")
        for reason in reasons:
            lines.say(reason, indent=2, style="red")
    plan = _plan(platform, made)
    if plan is not None:
        lines.say(plan_in_words(plan))
    # An approval opens no other gate.
    if _waits_for_approval(platform, plan) and not runs and not closed:
        lines.command(f"next: sam2-assets approve {name}")


def _say_gates(lines: Lines, closed: Sequence[ClosedGate], partition: str | None) -> None:
    for gate in closed:
        lines.say(f"gate {gate.name}: {gate.message}", style="red")
        lines.say(f"to do: {gate.remedy}", indent=2)
        for words, command in gate.commands.items():
            lines.say(words, indent=2)
            lines.command(command, indent=4)
    if closed:
        again = "launch plan_corpus" if partition is None else f"launch ingest {partition}"
        measured = any(gate.message != _NEVER_RAN for gate in closed)
        lines.say(
            "after a change of settings (with make ui running, the inbox sensor does it):"
            if measured
            else "to measure it:"
        )
        lines.command(f"sam2-assets {again}", indent=2)


def _left_out(platform: Platform, made: Mapping[str, Materialized]) -> list[dict[str, str]]:
    """The exports that the newest splits of the corpus leave out, with the reason."""
    if "splits" not in made:
        return []
    evidence = platform.store.open().open_file(made["splits"].ref, "splits.json").read_text(encoding="utf-8")
    rejected: list[dict[str, str]] = json.loads(evidence)["rejected"]
    return rejected
