"""Why a run failed, as the event log has it: one sentence for every failed step."""

from __future__ import annotations

import dagster as dg
from dagster._core.events import DagsterEventType as Event
from dagster._core.execution.plan.objects import StepFailureData


def failure_reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """One line for every failed step of a run: the sentence of the error that caused it."""
    return [
        f"{entry.step_key}: {failure_reason(entry.get_dagster_event().step_failure_data)}"
        for entry in instance.all_logs(run_id, of_type=Event.STEP_FAILURE)
    ]


def failure_reason(data: StepFailureData) -> str:
    """The sentence of the error that made a step fail."""
    given = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "cancelled. Run it again: a training resumes from its last checkpoint"
    return given or (error.message.strip().splitlines()[-1] if error else "failed")
