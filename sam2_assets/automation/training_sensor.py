"""The sensor that starts trainings: of plans that a person approved, or that are small enough to need nobody.

Approvals are files in the store, which no automation condition sees. Everything else is asked of Dagster's records. A
plan is handled when any run planned an adapter after the plan was made (whoever started it, however it ended, but for
one that ended before the approval), or when the newest adapter was made from the same plan.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from sam2_assets.approvals import Approval, approval_of
from sam2_assets.assets.lineage import current, materialized
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.automation.jobs import train_corpus, train_video
from sam2_assets.automation.settings import SWITCHED_OFF, AutomationSettings
from sam2_assets.checks.gates import require_gates
from sam2_assets.errors import GateError
from sam2_assets.resources import StoreResource

PLAN_HASH = "plan_hash"
NEEDS_APPROVAL = "needs_approval"
PLAN_TAG = "sam2_assets/plan"
WITHIN_A_COMMAND_S = 20.0
"""``approve --run`` starts its run right after the approval; it shall be seen before another one is started."""
MOST_NEW = 200
"""Plans that one tick reads."""
_CORPUS = ""
"""The corpus among the names of partitions."""


class Waiting(BaseModel):
    """A plan that nothing was made of yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: int
    """Storage id of its materialization."""
    plan_hash: str
    needs_approval: bool


class Memory(BaseModel):
    """The sensor's cursor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    through: int = 0
    """Storage id up to which plans were read."""
    waiting: dict[str, Waiting] = {}

    @classmethod
    def read(cls, cursor: str | None) -> Memory:
        """Of an older version of this program: all plans are read again."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


def build_training_sensor(settings: AutomationSettings) -> dg.SensorDefinition:
    """The sensor of a deployment."""

    @dg.sensor(
        name="trainings",
        jobs=[train_video, train_corpus],
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the training of a plan that was approved, or that needs no approval; once.",
    )
    def trainings(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
        """One tick."""
        if not settings.enabled:
            return dg.SkipReason(SWITCHED_OFF)
        files, now = store.open().files, datetime.datetime.now(datetime.UTC)
        memory = _with_new_plans(context.instance, Memory.read(context.cursor))
        waiting, requests = {}, []
        for name, plan in memory.waiting.items():
            approval = approval_of(files, plan.plan_hash) if plan.needs_approval else None
            progress = _progress(context.instance, name, plan, approval)
            if progress is _Progress.DONE:
                continue
            waiting[name] = plan
            free = progress is _Progress.NONE and _may_start(plan, approval, now)
            if free and _gates_passed(context.instance, name):
                # Kept until its run is seen: a tick that Dagster could not carry out is repeated, the key starts once.
                requests.append(_request(name, plan))
        cursor = memory.model_copy(update={"waiting": waiting}).model_dump_json()
        if not requests:
            context.update_cursor(cursor)
            return dg.SkipReason(f"no plan to start; {len(waiting)} wait for an approval, their gates or a run")
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return trainings


def _request(name: str, plan: Waiting) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{name or 'corpus'}:{plan.event}",
        job_name=train_video.name if name else train_corpus.name,
        partition_key=name or None,
        tags={PLAN_TAG: plan.plan_hash},
    )


def _scope(name: str) -> tuple[Scope, str | None]:
    return (VIDEO, name) if name else (CORPUS, None)


def _with_new_plans(instance: dg.DagsterInstance, memory: Memory) -> Memory:
    """The memory with the newest plans that were made since; a plan that was replaced is forgotten."""
    key = VIDEO.key("training_plan")
    newest = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    of_corpus = current(instance, CORPUS.key("training_plan"), None)
    events = {event: name for name, event in newest.items()}
    if of_corpus is not None:
        events[of_corpus.storage_id] = _CORPUS
    taken = {event: events[event] for event in sorted(events) if event > memory.through}
    taken = dict(list(taken.items())[:MOST_NEW])
    waiting = dict(memory.waiting)
    for scope in (VIDEO, CORPUS):
        waiting.update(_read(instance, scope, {e: n for e, n in taken.items() if (n == _CORPUS) == (scope is CORPUS)}))
    return Memory(through=max(taken, default=memory.through), waiting=waiting)


def _read(instance: dg.DagsterInstance, scope: Scope, events: dict[int, str]) -> Iterator[tuple[str, Waiting]]:
    if not events:
        return
    selected = dg.AssetRecordsFilter(asset_key=scope.key("training_plan"), storage_ids=list(events))
    for record in instance.fetch_materializations(selected, limit=len(events)).records:
        event = record.asset_materialization
        if event is not None and materialized(record) is not None and PLAN_HASH in event.metadata:
            # A plan of an earlier version of this program does not say it; then a person has to.
            needs = event.metadata[NEEDS_APPROVAL].value if NEEDS_APPROVAL in event.metadata else True
            yield (
                events[record.storage_id],
                Waiting(
                    event=record.storage_id,
                    plan_hash=str(event.metadata[PLAN_HASH].value),
                    needs_approval=bool(needs),
                ),
            )


class _Progress(enum.Enum):
    """What became of a plan."""

    NONE = enum.auto()
    UNDER_WAY = enum.auto()
    DONE = enum.auto()


def _progress(instance: dg.DagsterInstance, name: str, plan: Waiting, approval: Approval | None) -> _Progress:
    """Whether a run planned an adapter after the plan was made, or the newest adapter was made from this plan.

    A run that was over before the approval does not count: it was refused for the lack of it.
    """
    scope, partition = _scope(name)
    key = scope.key("lora_adapter")
    planned = instance.event_log_storage.get_latest_planned_materialization_info(key, partition)
    if planned is not None and planned.storage_id > plan.event:
        run = instance.get_run_record_by_id(planned.run_id)
        if run is not None and not run.dagster_run.is_finished:
            return _Progress.UNDER_WAY
        ended = run.end_time if run is not None else None
        if not plan.needs_approval or ended is None:
            return _Progress.DONE
        return _Progress.DONE if approval and approval.approved_at.timestamp() <= ended else _Progress.NONE
    made = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
    ).records
    event = made[0].asset_materialization if made else None
    same = event is not None and PLAN_HASH in event.metadata and event.metadata[PLAN_HASH].value == plan.plan_hash
    return _Progress.DONE if same else _Progress.NONE


def _may_start(plan: Waiting, approval: Approval | None, now: datetime.datetime) -> bool:
    """Whether it needs nobody, or was approved a while ago."""
    if not plan.needs_approval:
        return True
    return approval is not None and abs((now - approval.approved_at).total_seconds()) >= WITHIN_A_COMMAND_S


def _gates_passed(instance: dg.DagsterInstance, name: str) -> bool:
    """The same question as ``lora_adapter`` asks: a run that would only be refused is not started."""
    scope, partition = _scope(name)
    plan = current(instance, scope.key("training_plan"), partition)
    if plan is None:
        return False
    try:
        require_gates(instance, plan, scope.plan_gates)
    except GateError:
        return False
    return True
