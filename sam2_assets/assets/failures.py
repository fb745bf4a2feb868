"""Why a run ended early, as the event log has it."""

from __future__ import annotations

import dagster as dg
from dagster._core.events import DagsterEventType as Event
from dagster._core.execution.plan.objects import StepFailureData
from dagster_shared.error import SerializableErrorInfo


def failure_reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """One line for every failed step of a run: the sentence of the error that caused it; else what ended the run."""
    reasons = [
        f"{entry.step_key}: {failure_reason(entry.get_dagster_event().step_failure_data)}"
        for entry in instance.all_logs(run_id, of_type=Event.STEP_FAILURE)
    ]
    if reasons:
        return reasons
    ended = instance.all_logs(run_id, of_type={Event.RUN_FAILURE, Event.RUN_CANCELED})
    return [entry.get_dagster_event().message or "failed" for entry in ended[-1:]]


def failure_reason(data: StepFailureData) -> str:
    """The sentence of the error that made a step fail."""
    given = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    if error is not None and _interrupted(error):
        return "cancelled. Run it again: a training resumes from its last checkpoint"
    while error is not None and error.cause is not None:
        error = error.cause
    text = given or (error.message.strip().splitlines()[-1] if error else "failed")
    if error is not None and error.cls_name == "DagsterAssetCheckFailedError":
        return f"closed gates: {text.partition(': ')[2] or text}"
    return text


def was_interrupted(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run ended because its process was told to stop."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
        return True
    failures = instance.all_logs(run_id, of_type=Event.STEP_FAILURE)
    errors = [entry.get_dagster_event().step_failure_data.error for entry in failures]
    return any(error is not None and _interrupted(error) for error in errors)


def _interrupted(error: SerializableErrorInfo) -> bool:
    return error.cls_name == dg.DagsterExecutionInterruptedError.__name__ or (
        error.cause is not None and _interrupted(error.cause)
    )
