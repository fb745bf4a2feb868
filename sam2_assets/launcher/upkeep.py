"""What has to happen between launches: waiting runs are let go, finished containers go away.

It runs as a service of its own (``python -m sam2_assets.launcher``) beside the daemon, because Dagster gives a launcher
no clock. Killed at any point, it goes on where it was: all it knows is in the runs' tags and the containers' labels.
"""

from __future__ import annotations

import logging

import dagster as dg
from dagster._core.storage.tags import PRIORITY_TAG
from dagster._time import get_current_timestamp
from docker.errors import APIError, DockerException, NotFound

from sam2_assets.errors import LaunchError
from sam2_assets.launcher.admission import Booking, Fits, Waits
from sam2_assets.launcher.containers import STOP_TIMEOUT_S
from sam2_assets.launcher.docker_launcher import GATE_TAG, OPEN, REASON_TAG, RUN_LABEL, WAITS, PoolRunLauncher
from sam2_assets.launcher.memory_need import needed_mib

logger = logging.getLogger("sam2_assets.launcher")
_LINGERS_S = STOP_TIMEOUT_S + 60
"""A container that still runs so long after its run has ended is stopped: it may hold a card."""


def waiting_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Those that wait for a card, in the order of the queue: by priority, then by age."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], tags={GATE_TAG: WAITS})
    runs = list(instance.get_runs(filters))[::-1]
    return sorted(runs, key=lambda run: -_priority(run))


def _priority(run: dg.DagsterRun) -> int:
    text = run.tags.get(PRIORITY_TAG, "0")
    return int(text) if text.lstrip("-").isdigit() else 0


def release(launcher: PoolRunLauncher, instance: dg.DagsterInstance) -> list[str]:
    """Open the gate of every waiting run that would get a card now; the launcher decides again when it starts it.

    Runs that go on waiting get the newest reason in their tag.

    Returns:
        Ids of the runs let go.
    """
    waiting = waiting_runs(instance)
    if not waiting:
        return []
    try:
        cards = launcher.read_cards()
    except (LaunchError, DockerException) as error:
        # The launcher would fail each of them for a passing trouble of the engine: they wait, and say why.
        for run in waiting:
            _note(instance, run, f"the cards cannot be read: {error}")
        return []
    bookings, free = launcher.bookings(), []
    for run in waiting:
        decision = launcher.decide(run, cards, bookings)
        if isinstance(decision, Waits):
            _note(instance, run, decision.reason)
            continue
        if isinstance(decision, Fits):
            bookings.append(Booking(decision.card.uuid, needed_mib(instance, run) or 0, 0.0))
        instance.add_run_tags(run.run_id, {GATE_TAG: OPEN, REASON_TAG: ""})
        logger.info("run %s: %s", run.run_id, decision.reason)
        free.append(run.run_id)
    return free


def _note(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> None:
    if run.tags.get(REASON_TAG) != reason:
        instance.add_run_tags(run.run_id, {REASON_TAG: reason})


def tell_cancelled(launcher: PoolRunLauncher, instance: dg.DagsterInstance) -> list[str]:
    """Tell the containers of runs that were cancelled where the engine is out of reach: in the web server.

    One that does not end is the matter of run monitoring, which gives the run up, and then of :func:`reap`.

    Returns:
        Ids of the runs whose containers were told.
    """
    cancelled = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELING]))
    told = []
    for run in cancelled:
        try:
            if launcher.tell_to_stop(run):
                told.append(run.run_id)
        except (NotFound, APIError) as error:
            # It ended between the look and the signal, or does not run yet: the next round looks again.
            logger.info("run %s could not be told to stop: %s", run.run_id, error)
    return told


def reap(launcher: PoolRunLauncher, instance: dg.DagsterInstance) -> list[str]:
    """Remove the containers of finished runs; see ``PoolRunLauncher.bury``.

    A container whose run is still going on is left alone: if it is dead, run monitoring says so first. So is one whose
    run ended a moment ago and that still uploads its logs.

    Returns:
        Ids of the containers removed.
    """
    removed = []
    for container in launcher.containers_of():
        run_id = container.labels[RUN_LABEL]
        record = instance.get_run_record_by_id(run_id)
        run = record.dagster_run if record else None
        if run is not None and not run.is_finished:
            continue
        try:
            if container.status in ("running", "paused", "restarting"):
                if record is None or record.end_time is None or get_current_timestamp() - record.end_time < _LINGERS_S:
                    continue
                logger.warning("container %s outlived its run %s and is stopped", container.short_id, run_id)
                container.stop(timeout=10)
            container.reload()
            launcher.bury(container, run)
        except NotFound:
            continue  # somebody else removed it
        removed.append(container.id)
    return removed
