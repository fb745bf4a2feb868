"""What a finished run is worth telling: read from its own events, so that nothing is told that was not recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEventType

from sam2_assets.assets.failures import failure_reason
from sam2_assets.assets.lineage import closes
from sam2_assets.assets.showcase import WAITING, clipped
from sam2_assets.evaluation.scoreboard import TITLES, cell
from sam2_assets.evaluation.scores import SCORES
from sam2_assets.notifications import Event, Kind

_READ = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.PIPELINE_FAILURE,
}
_MOST_LINES = 8
_COUNTS = {
    "raw_export": ("frames", "objects"),
    "instruction_dataset": ("samples",),
    "quality_report": ("errors", "warnings"),
    "splits": ("train_frames", "val_frames", "test_frames", "rejected_videos"),
    "lora_adapter": ("steps", "loss_validation"),
    "deploy_image": ("questions", "agreement", "image"),
}
"""The numbers of each asset's metadata that fit into a message."""


def news_of(instance: dg.DagsterInstance, run: dg.DagsterRun, ui_url: str) -> Event:
    """The one event that a finished run is: the most important thing that happened in it.

    Args:
        instance: that recorded the run.
        run: that succeeded or failed.
        ui_url: where the UI is, without a slash at the end.
    """
    entries = instance.all_logs(run.run_id, of_type=_READ)
    events = [entry.get_dagster_event() for entry in entries if entry.is_dagster_event]
    made = {
        event.step_materialization_data.materialization.asset_key: event.step_materialization_data.materialization
        for event in events
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
    }
    subject = run.tags.get("dagster/partition") or ("corpus" if _is_corpus(run, made) else run.job_name)
    link = f"{ui_url}/runs/{run.run_id}"
    facts = {key.path[-1]: _values(event.metadata) for key, event in made.items()}
    if not run.is_success:
        gates = [
            event.asset_check_evaluation_data
            for event in events
            if event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION and closes(event.asset_check_evaluation_data)
        ]
        return _failed(run, subject, link, gates, events)
    plan = facts.get("training_plan", {})
    if str(plan.get("approval", "")).startswith(WAITING):
        (key,) = (key for key in made if key.path[-1] == "training_plan")
        partition = f"?view=partitions&partition={subject}" if "dagster/partition" in run.tags else ""
        place = f"{ui_url}/assets/{'/'.join(key.path)}{partition}"
        return Event(Kind.APPROVAL, subject, *_waiting(subject, plan), place)
    return Event(Kind.FINISHED, subject, f"{subject}: {_what(run)} finished", _numbers(facts), link)


def _is_corpus(run: dg.DagsterRun, made: Mapping[dg.AssetKey, Any]) -> bool:
    keys = {*made, *(run.asset_selection or ())}
    return run.job_name.endswith("_corpus") or any(key.path[0] == "corpus" for key in keys)


def _what(run: dg.DagsterRun) -> str:
    """The run's job, or what was chosen in the UI: jobs without a name have one that means nothing to people."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or "a run"


def _values(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def _failed(
    run: dg.DagsterRun,
    subject: str,
    link: str,
    gates: Sequence[dg.AssetCheckEvaluation],
    events: Sequence[dg.DagsterEvent],
) -> Event:
    if gates:
        lines = []
        for gate in gates[:_MOST_LINES]:
            said = _values(gate.metadata)
            message = said.get("message") or gate.description or "failed"
            lines.append(f"gate {gate.check_name} on {gate.asset_key.to_user_string()}: {clipped(str(message))}")
            lines += [f"  to do: {clipped(str(said['remedy']))}"] if said.get("remedy") else []
            lines += [f"  or accept it: {said['to_accept_it']}"] if said.get("to_accept_it") else []
        if len(gates) > _MOST_LINES:
            lines.append(f"... and {len(gates) - _MOST_LINES} more gates")
        names = ", ".join(gate.check_name for gate in gates[:_MOST_LINES])
        return Event(Kind.GATE, subject, f"{subject}: stopped by the gate{'s' * (len(gates) > 1)} {names}", lines, link)
    failures = [event for event in events if event.event_type is DagsterEventType.STEP_FAILURE]
    reasons = [f"{event.step_key}: {clipped(failure_reason(event.step_failure_data))}" for event in failures]
    if not reasons:
        # The process died or never started: the run's own event says what the monitor saw.
        reasons = [clipped(event.message or "no reason recorded") for event in events if event.is_failure]
    code = {_code(event) for event in failures}
    kind = Kind.GATE if code & {"gate_failed", "gate_never_ran"} else Kind.FAILED
    verb = "stopped" if kind is Kind.GATE else "failed"
    return Event(kind, subject, f"{subject}: {_what(run)} {verb}", reasons[:_MOST_LINES], link)


def _code(event: dg.DagsterEvent) -> str | None:
    given = event.step_failure_data.user_failure_data
    return str(given.metadata["code"].value) if given and "code" in given.metadata else None


def _waiting(subject: str, plan: Mapping[str, Any]) -> tuple[str, list[str]]:
    headline = f"{subject}: a plan of {_number(plan['gpu_hours'])} GPU-hours, cost {_number(plan['cost'])}, waits"
    return headline, [
        f"{plan['base_model']}: {plan['train_samples']} training samples, {plan['steps']} steps, "
        f"{_number(plan['memory_gib'])} GiB of GPU memory",
        f"the estimate is based on: {plan['estimate_based_on']}",
        f"to approve it: sam2-assets approve {subject}",
    ]


def _numbers(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    if "evaluation" in facts:
        lines += _scores(facts["evaluation"]["scores"])
    for asset, names in _COUNTS.items():
        found = facts.get(asset, {})
        stated = [f"{_number(found[name])} {name.replace('_', ' ')}" for name in names if found.get(name) is not None]
        if stated:
            lines.append(f"{asset}: {', '.join(stated)}")
    return lines


def _scores(scores: Mapping[str, Any]) -> list[str]:
    """The first score of every task: the model's with its interval, and what it must be held against."""
    lines = []
    # The event log keeps no order of keys; the scores' own order says which one leads.
    order = [score.name for kind in SCORES.values() for score in kind]
    for task, found in list(scores["tasks"].items())[:_MOST_LINES]:
        score = found["scores"][min(found["scores"], key=order.index)]
        systems = score["systems"]
        against = ", ".join(f"{TITLES[name]} {systems[name]['value']:.3f}" for name in ("control", "base", "majority"))
        lines.append(f"{task}, {score['title']}: {cell(systems['adapter'])}; {against}")
    return lines


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
