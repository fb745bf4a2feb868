"""The schedule that trains the corpus anew though no data is new, where one is configured.

The retraining with new data is no schedule: see ``conditions.corpus_when_due``.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from sam2_assets.assets.lineage import current, current_of_all_partitions
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.automation.jobs import plan_corpus
from sam2_assets.automation.settings import AutomationSettings


def build_forced_retraining(settings: AutomationSettings) -> list[dg.ScheduleDefinition]:
    """The schedule of a deployment: none, or one."""
    if not settings.enabled or not settings.retrain_anyway:
        return []

    @dg.schedule(
        name="retrain_anyway",
        job=plan_corpus,
        cron_schedule=settings.retrain_anyway,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Plans the corpus as a new attempt, new data or not; its training starts like that of any plan.",
    )
    def retrain_anyway(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """One tick."""
        members, rejected = current_of_all_partitions(context.instance, VIDEO.key("splits"), VIDEO.member_gates)
        if not members:
            return dg.SkipReason(f"the corpus is empty: no video has passed its gates ({len(rejected)} rejected)")
        return dg.RunRequest(run_config=_next_attempt(context.instance))

    return [retrain_anyway]


def _next_attempt(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Run configuration with which the plan differs from the newest one.

    The same plan would only publish again what it has trained: the same data and seed give the same weights.
    """
    key = CORPUS.key("training_plan")
    newest = current(instance, key, None)
    if newest is None:
        return {}
    selected = dg.AssetRecordsFilter(asset_key=key, storage_ids=[newest.storage_id])
    (record,) = instance.fetch_materializations(selected, limit=1).records
    event = record.asset_materialization
    if event is None or "plan" not in event.metadata:
        raise LookupError(f"{newest.name} does not say what was planned")
    plan: Any = event.metadata["plan"].value
    return {"ops": {key.to_python_identifier(): {"config": {"attempt": plan["config"]["attempt"] + 1}}}}
