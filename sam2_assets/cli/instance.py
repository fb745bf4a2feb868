"""The Dagster instance that the command talks to, and running a job here when no daemon does."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEventType as Event

from sam2_assets.assets.child_process import COMMAND, STARTED_BY
from sam2_assets.definitions import build_definitions
from sam2_assets.errors import SettingsError
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource
from sam2_assets.resources.store import default_root

_HOME = "DAGSTER_HOME"
_DAEMON_SILENT_AFTER_S = 90


@dataclass
class Platform:
    """An open instance with the store that belongs to it."""

    instance: dg.DagsterInstance
    store: StoreResource
    definitions: dg.Definitions


@dataclass
class Outcome:
    """How a run ended; ``reasons`` has one line a failed step."""

    run_id: str
    success: bool
    reasons: list[str] = field(default_factory=list)


@contextmanager
def open_platform() -> Iterator[Platform]:
    """The instance of ``$DAGSTER_HOME``, or of the working directory if a ``dagster.yaml`` lies there.

    Relative paths in ``dagster.yaml`` and the default store count from that folder: it becomes the working directory.

    Raises:
        SettingsError: ``no_instance``.
    """
    home = Path(os.environ.get(_HOME) or Path.cwd()).resolve()
    if not (home / "dagster.yaml").is_file():
        raise SettingsError(
            "no_instance",
            "there is no dagster.yaml",
            file=str(home),
            remedy="Run the command in the repository's folder, or set DAGSTER_HOME to it.",
        )
    os.environ[_HOME] = str(home)
    before = Path.cwd()
    os.chdir(home)
    try:
        with dg.DagsterInstance.get() as instance:
            root = default_root()
            yield Platform(instance, StoreResource(root=root), build_definitions(root))
    finally:
        os.chdir(before)


def daemon_is_up(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon that evaluates sensors gave a sign of life lately."""
    import time

    beat = instance.get_daemon_heartbeats().get("SENSOR")
    return beat is not None and time.time() - beat.timestamp < _DAEMON_SILENT_AFTER_S


def add_partition(instance: dg.DagsterInstance, partition: str) -> None:
    """Register a partition; it may be there already."""
    instance.add_dynamic_partitions(str(videos.name), [partition])


def run_here(platform: Platform, job: str, partition: str | None, say: Say) -> Outcome:
    """Execute a job in this process, saying one line a step. Concurrency pools are the daemon's and do not hold here.

    Args:
        platform: where it is recorded.
        job: its name.
        partition: its partition key, or None.
        say: takes each line.
    """
    definition = platform.definitions.resolve_job_def(job)
    run_id = str(uuid.uuid4())
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = threading.Event()
    reporter = threading.Thread(target=_report, args=(platform.instance, run_id, say, done), daemon=True)
    reporter.start()
    try:
        result = definition.execute_in_process(
            instance=platform.instance,
            partition_key=partition,
            run_config=quiet,
            raise_on_error=False,
            run_id=run_id,
            tags={STARTED_BY: COMMAND},
        )
    finally:
        done.set()
        reporter.join()
    return Outcome(run_id, result.success, failure_reasons(platform.instance, run_id))


def failure_reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """One line for every failed step of a run: the sentence of the error that caused it."""
    reasons = []
    for entry in instance.all_logs(run_id, of_type=Event.STEP_FAILURE):
        data = entry.get_dagster_event().step_failure_data
        given = data.user_failure_data.description if data.user_failure_data else None
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        text = given or (error.message.strip().splitlines()[-1] if error else "failed")
        if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
            text = "cancelled. Run it again: a training resumes from its last checkpoint"
        reasons.append(f"{entry.step_key}: {text}")
    return reasons


class Say:
    """Prints progress; a callable so that tests can listen."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def __call__(self, line: str) -> None:
        """Print one line."""
        print(f"{self.prefix}{line}", flush=True)


def _report(instance: dg.DagsterInstance, run_id: str, say: Say, done: threading.Event) -> None:
    seen = 0
    while True:
        last = done.wait(0.5)
        entries = instance.all_logs(run_id)
        for entry in entries[seen:]:
            line = _line(entry)
            if line:
                say(line)
        seen = len(entries)
        if last:
            return


def _line(entry: dg.EventLogEntry) -> str | None:
    if not entry.is_dagster_event:
        return None
    event = entry.get_dagster_event()
    if event.event_type is Event.STEP_SUCCESS:
        seconds = event.step_success_data.duration_ms / 1000
        return f"  {event.step_key} ({seconds:.1f} s)"
    if event.event_type is Event.ASSET_CHECK_EVALUATION:
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed:
            kind = "stops the line" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warning"
            return f"    {kind}: {evaluation.check_name}: {evaluation.description or ''}"
    if event.event_type is Event.ASSET_OBSERVATION:
        metadata = event.asset_observation_data.asset_observation.metadata
        return "    " + "  ".join(f"{name} {_short(value.value)}" for name, value in metadata.items())
    return None


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
