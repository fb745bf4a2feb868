"""The Dagster instance that the command talks to, and running a job here when no daemon does."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEventType as Event

from sam2_assets.assets.child_process import COMMAND, STARTED_BY
from sam2_assets.assets.failures import failure_reasons, was_interrupted
from sam2_assets.cli.activity import PROCESS, bury_the_dead, this_process
from sam2_assets.cli.interruption import for_us_alone
from sam2_assets.cli.progress import in_full
from sam2_assets.definitions import build_definitions
from sam2_assets.errors import SettingsError
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource
from sam2_assets.resources.store import default_inbox, default_root

_HOME = "DAGSTER_HOME"
_DAEMON_SILENT_AFTER_S = 90
_LOOK_S = 0.5


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
            bury_the_dead(instance)
            root = default_root()
            yield Platform(instance, StoreResource(root=root, inbox=default_inbox()), build_definitions(root))
    finally:
        os.chdir(before)


def daemon_is_up(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon that evaluates sensors gave a sign of life lately."""
    beat = instance.get_daemon_heartbeats().get("SENSOR")
    return beat is not None and time.time() - beat.timestamp < _DAEMON_SILENT_AFTER_S


def add_partition(instance: dg.DagsterInstance, partition: str) -> None:
    """Register a partition; it may be there already."""
    instance.add_dynamic_partitions(str(videos.name), [partition])


def run_here(platform: Platform, job: str, partition: str | None, say: Say) -> Outcome:
    """Execute a job in this process, saying one line a step.

    Concurrency pools are the daemon's and do not hold here; for the GPU there is ``workarea.gpu_turn``.

    Args:
        platform: where it is recorded.
        job: its name.
        partition: its partition key, or None.
        say: takes each line.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was running was told to stop and has stopped.
    """
    definition = platform.definitions.resolve_job_def(job)
    run_id = str(uuid.uuid4())
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = threading.Event()
    reporter = threading.Thread(target=_report, args=(platform.instance, run_id, say, done), daemon=True)
    reporter.start()
    try:
        with for_us_alone():
            result = definition.execute_in_process(
                instance=platform.instance,
                partition_key=partition,
                run_config=quiet,
                raise_on_error=False,
                run_id=run_id,
                tags={STARTED_BY: COMMAND, PROCESS: this_process()},
            )
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    finally:
        done.set()
        reporter.join()
    if was_interrupted(platform.instance, run_id):
        raise KeyboardInterrupt
    return Outcome(run_id, result.success, failure_reasons(platform.instance, run_id))


def follow(platform: Platform, run_id: str, say: Say) -> Outcome:
    """Say what happens in a run that others execute, until it has ended."""
    done = threading.Event()
    reporter = threading.Thread(target=_report, args=(platform.instance, run_id, say, done), daemon=True)
    reporter.start()
    try:
        while (run := platform.instance.get_run_by_id(run_id)) is not None and not run.is_finished:
            time.sleep(_LOOK_S)
    finally:
        done.set()
        reporter.join()
    success = run is not None and run.status is dg.DagsterRunStatus.SUCCESS
    return Outcome(run_id, success, failure_reasons(platform.instance, run_id))


class Say:
    """Prints progress; a callable so that tests can listen."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def __call__(self, line: str) -> None:
        """Print one line."""
        print(f"{self.prefix}{line}", flush=True)


def _report(instance: dg.DagsterInstance, run_id: str, say: Say, done: threading.Event) -> None:
    cursor: str | None = None
    while True:
        last = done.wait(_LOOK_S)
        while True:
            page = instance.get_records_for_run(run_id, cursor=cursor)
            cursor = page.cursor
            for record in page.records:
                line = _line(record.event_log_entry)
                if line:
                    say(line)
            if not page.has_more:
                break
        if last:
            return


def _line(entry: dg.EventLogEntry) -> str | None:
    if not entry.is_dagster_event:
        return None
    event = entry.get_dagster_event()
    if event.event_type is Event.STEP_SUCCESS:
        seconds = event.step_success_data.duration_ms / 1000
        return f"  {event.step_key} ({seconds:.1f} s)"
    if event.event_type is Event.RUN_ENQUEUED:
        return "  in the queue"
    if event.event_type is Event.ASSET_CHECK_EVALUATION:
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed:
            kind = "stops the line" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warning"
            return f"    {kind}: {evaluation.check_name}: {evaluation.description or ''}"
    if event.event_type is Event.ASSET_OBSERVATION:
        metadata = event.asset_observation_data.asset_observation.metadata
        return "    " + in_full({name: value.value for name, value in metadata.items()})
    return None
