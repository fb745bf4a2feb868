"""What runs and what waits in the queue, how far it is, and how the last run ended: from Dagster's records."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEventType as Event
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, IN_PROGRESS_RUN_STATUSES

from sam2_assets.assets.child_process import COMMAND, STARTED_BY
from sam2_assets.assets.failures import failure_reasons
from sam2_assets.assets.scope import CORPUS
from sam2_assets.automation.jobs import image_corpus, plan_corpus, train_corpus
from sam2_assets.cli.progress import in_short

PARTITION = "dagster/partition"
CORPUS_NAME = "corpus"
PROCESS = "sam2_assets/process"
"""Run tag by which a run that a command executes itself is known to be gone: host, process id, its start."""
_CORPUS_JOBS = {plan_corpus.name, train_corpus.name, image_corpus.name}
_MOST_RUNS = 500
_LOOK_BACK = 500
_UNDER_WAY = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
_STATES = {
    dg.DagsterRunStatus.STARTED: "running",
    dg.DagsterRunStatus.STARTING: "starting",
    dg.DagsterRunStatus.CANCELING: "stopping",
}


@dataclass(frozen=True)
class Activity:
    """One run that has not ended.

    Args:
        run_id: of it.
        job: its name, as people launch it; of a run without a job the assets that it makes.
        target: the partition key or ``corpus``; empty if it is about neither.
        state: ``running``, ``starting``, ``stopping`` or ``queued``.
        steps: those being executed.
        since: seconds since the epoch.
        progress: what the step's child told last.
        told_at: when it did, seconds since the epoch.
        pools: that it takes a slot of.
    """

    run_id: str
    job: str
    target: str
    state: str
    steps: tuple[str, ...]
    since: float
    progress: Mapping[str, Any] = field(default_factory=dict)
    told_at: float = 0.0
    pools: tuple[str, ...] = ()

    def __str__(self) -> str:
        """E.g. ``running lora_adapter since 14:02, step 40 of 130, loss 1.21, about 6 min left``."""
        what = ", ".join(self.steps) or self.job
        clock = time.strftime(
            "%H:%M" if time.time() - self.since < 12 * 3600 else "%Y-%m-%d %H:%M", time.localtime(self.since)
        )
        parts = [f"{self.state} {what} since {clock}", *in_short(self.progress, time.time() - self.told_at)]
        if self.state == "queued" and self.pools:
            parts.append(f"needs a slot of pool {' and '.join(self.pools)}")
        return ", ".join(parts)


def target_of(run: dg.DagsterRun) -> str:
    """The partition key of a run, ``corpus``, or nothing."""
    if PARTITION in run.tags:
        return run.tags[PARTITION]
    selected = {key.path[0] for key in run.asset_selection or ()}
    return CORPUS_NAME if run.job_name in _CORPUS_JOBS or selected == set(CORPUS.prefix) else ""


def under_way(instance: dg.DagsterInstance) -> list[Activity]:
    """The runs that have not ended, oldest first."""
    records = instance.get_run_records(dg.RunsFilter(statuses=_UNDER_WAY), limit=_MOST_RUNS)
    return [_activity(instance, record) for record in reversed(records)]


def _name_of(run: dg.DagsterRun) -> str:
    """The job; of a run without one, which automation or the UI started for chosen assets, their names."""
    if not run.job_name.startswith("__"):
        return run.job_name
    return ", ".join(sorted(key.path[-1] for key in run.asset_selection or ())) or "checks"


def _activity(instance: dg.DagsterInstance, record: dg.RunRecord) -> Activity:
    run = record.dagster_run
    state = _STATES.get(run.status, "queued")
    job = _name_of(run)
    since = record.start_time or record.create_timestamp.timestamp()
    concurrency = run.run_op_concurrency
    pools = tuple(sorted(concurrency.all_pools or ())) if concurrency else ()
    if state == "queued":
        return Activity(run.run_id, job, target_of(run), state, (), since, pools=pools)
    stats = instance.get_run_step_stats(run.run_id)
    current = [s for s in stats if s.status is StepEventStatus.IN_PROGRESS or (s.start_time and not s.end_time)]
    progress, told_at = _progress(instance, run.run_id, current[-1].start_time if current else None)
    return Activity(
        run.run_id,
        job,
        target_of(run),
        state,
        tuple(s.step_key.split("[")[0] for s in current),
        since,
        progress,
        told_at,
        pools,
    )


def _progress(instance: dg.DagsterInstance, run_id: str, since: float | None) -> tuple[dict[str, Any], float]:
    """The newest observation of a run, unless it is of a step that has ended."""
    found = instance.get_records_for_run(run_id, of_type=Event.ASSET_OBSERVATION, limit=1, ascending=False).records
    if not found or since is None or found[0].timestamp < since:
        return {}, 0.0
    observation = found[0].event_log_entry.get_dagster_event().asset_observation_data.asset_observation
    return {name: value.value for name, value in observation.metadata.items()}, found[0].timestamp


@dataclass(frozen=True)
class Failure:
    """How the last run of a target ended, if it did not end well; ``at`` in seconds since the epoch."""

    run_id: str
    job: str
    at: float
    reasons: tuple[str, ...]


def last_failure(instance: dg.DagsterInstance, target: str) -> Failure | None:
    """The newest run of a partition or the corpus that has ended, if it failed or was cancelled."""
    one = target != CORPUS_NAME
    chosen = dg.RunsFilter(tags={PARTITION: target} if one else {}, statuses=list(FINISHED_STATUSES))
    # Only runs of partitions can be asked for: those of the corpus lie between them.
    for record in instance.get_run_records(chosen, limit=1 if one else _LOOK_BACK):
        run = record.dagster_run
        if target_of(run) != target:
            continue
        if run.status is dg.DagsterRunStatus.SUCCESS:
            return None
        return Failure(run.run_id, _name_of(run), record.end_time or 0.0, tuple(failure_reasons(instance, run.run_id)))
    return None


def this_process() -> str:
    """Host, process id and start of this process: a later process of the same id has another start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """Clock ticks from the machine's start to the process's (proc(5), field 22); empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def bury_the_dead(instance: dg.DagsterInstance) -> None:
    """Mark runs whose command was killed as failed: nobody else would, and they would hold their slots for ever."""
    chosen = dg.RunsFilter(tags={STARTED_BY: COMMAND}, statuses=list(IN_PROGRESS_RUN_STATUSES))
    for run in instance.get_runs(chosen):
        host, _, rest = run.tags.get(PROCESS, "").partition(":")
        pid, _, started = rest.partition(":")
        if host == socket.gethostname() and _started(int(pid)) != started:
            instance.report_run_failed(
                run,
                "the command that executed this run was killed. Run it again: a training resumes from its checkpoint",
            )
