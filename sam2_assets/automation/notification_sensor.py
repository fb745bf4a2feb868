"""The sensor that tells people what happened to the runs: one message per target and while, no news twice.

What goes wrong stays inside the tick: a run never waits for a mail server. A target that cannot be reached makes the
tick fail, with the reason, and is told of everything as soon as it can be reached again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import dagster as dg

from sam2_assets.automation.run_news import news_of
from sam2_assets.errors import NotificationError
from sam2_assets.notifications import Event, NotificationSettings, Target, compose, configured_targets, deliver
from sam2_assets.notifications.ledger import Mark
from sam2_assets.resources import StoreResource

LEDGER: Final = "sam2_assets/notifications"
MOST_RUNS: Final = 500
"""Of one message; the rest comes with the next."""
_ENDS: Final = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE)
_TICK_S: Final = 35.0
"""Dagster ends a tick after 60 s; an address that does not answer takes up to 20 s."""


class Ledger:
    """The marks of all targets, in Dagster's own database: a tick that fails keeps no cursor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.daemon_cursor_storage
        text = self._storage.get_cursor_values({LEDGER}).get(LEDGER)
        self._marks = {name: Mark.model_validate(mark).found() for name, mark in json.loads(text or "{}").items()}

    def __getitem__(self, target: str) -> Mark | None:
        return self._marks.get(target)

    def keep(self, target: str, mark: Mark) -> None:
        """Write a mark down, before anything else happens."""
        self._marks[target] = mark
        self._write()

    def forget_others(self, targets: set[str]) -> None:
        """A target that is gone starts anew if it comes back: nobody wants the news of last month."""
        if not self._marks.keys() <= targets:
            self._marks = {name: mark for name, mark in self._marks.items() if name in targets}
            self._write()

    def _write(self) -> None:
        text = json.dumps({name: mark.model_dump(exclude_defaults=True) for name, mark in self._marks.items()})
        self._storage.set_cursor_values({LEDGER: text})


def latest_end(instance: dg.DagsterInstance) -> int:
    """The storage id of the newest event that ended a run, 0 if there is none."""
    found = [r.storage_id for kind in _ENDS for r in instance.fetch_run_status_changes(kind, limit=1).records]
    return max(found, default=0)


def runs_ended(instance: dg.DagsterInstance, after: int) -> tuple[list[str], int]:
    """The runs that ended after an event, oldest first, and the storage id up to which these are all."""
    found: list[tuple[int, str]] = []
    complete = []
    for kind in _ENDS:
        wanted = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=after)
        records = instance.fetch_run_status_changes(wanted, limit=MOST_RUNS, ascending=True).records
        found += [(record.storage_id, record.run_id) for record in records]
        if len(records) == MOST_RUNS:
            complete.append(records[-1].storage_id)
    upto = min(complete, default=max((storage_id for storage_id, _ in found), default=after))
    kept = sorted(pair for pair in found if pair[0] <= upto)[:MOST_RUNS]
    return [run_id for _, run_id in kept], kept[-1][0] if kept else after


@dg.sensor(
    name="notifications",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the configured targets which runs finished or failed, which gates are closed and which plans "
    "wait for an approval.",
)
def notification_sensor(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SkipReason:
    """One tick: every target that may be told something now gets one message about all that is new to it."""
    settings = store.project_settings().notifications
    targets = configured_targets(settings.variables, os.environ)
    ledger = Ledger(context.instance)
    ledger.forget_others({target.name for target in targets})
    if not targets:
        return dg.SkipReason(f"no target: none of {', '.join(settings.variables)} is set for the code server")
    read = _reader(context.instance, settings)
    said, failures, end = [], [], time.monotonic() + _TICK_S
    # Those told longest ago first: one that never answers must not keep the others waiting for ever.
    for target in sorted(targets, key=lambda t: mark.tried_at or 0.0 if (mark := ledger[t.name]) else 0.0):
        if time.monotonic() > end:
            said.append(f"{target.name}: left for the next tick")
            continue
        try:
            said.append(f"{target.name}: {_tell(context.instance, ledger, target, settings, read)}")
        except NotificationError as error:
            failures.append(str(error))
    if failures:
        raise NotificationError(
            "targets_failed",
            " ".join(failures),
            remedy=f"Runs are not touched by this. {'; '.join(said)}".strip(),
        )
    return dg.SkipReason("; ".join(said))


def _reader(instance: dg.DagsterInstance, settings: NotificationSettings) -> Callable[[int], tuple[list[Event], int]]:
    """A function from a storage id to the news after it; what several targets need is read once."""
    known: dict[str, Event | None] = {}
    wanted: Mapping[str, bool] = settings.model_dump()

    def news(run_id: str) -> Event | None:
        run = instance.get_run_by_id(run_id)
        # A run that was started again by a retry or deleted is no news any more.
        if run is None or not run.is_finished:
            return None
        event = news_of(instance, run, settings.ui_url.rstrip("/"))
        return event if wanted[event.kind.value] else None

    def read(after: int) -> tuple[list[Event], int]:
        run_ids, upto = runs_ended(instance, after)
        for run_id in run_ids:
            if run_id not in known:
                known[run_id] = news(run_id)
        return [event for run_id in run_ids if (event := known[run_id]) is not None], upto

    return read


def _tell(
    instance: dg.DagsterInstance,
    ledger: Ledger,
    target: Target,
    settings: NotificationSettings,
    read: Callable[[int], tuple[list[Event], int]],
) -> str:
    """Tell one target what is new, if it is time; what was done, in a few words.

    Raises:
        NotificationError: see ``deliver``.
    """
    mark = ledger[target.name]
    if mark is None:
        ledger.keep(target.name, Mark(after=latest_end(instance)))
        return "is told of every run from now on"
    now = time.time()
    if not mark.due(now, settings.every_minutes * 60):
        wait = f"next message in {settings.every_minutes * 60 - (now - (mark.tried_at or now)):.0f} s at the earliest"
        return f"{wait} (last attempt failed: {mark.failure})" if mark.failure else wait
    events, upto = read(mark.after)
    if not events:
        if upto != mark.after:
            ledger.keep(target.name, mark.passed(upto))
        lost = f"; {mark.doubtful} events may not have arrived, the daemon was stopped" if mark.doubtful else ""
        return f"nothing new{lost}"
    mark = mark.opened(upto, len(events), now)
    ledger.keep(target.name, mark)
    try:
        deliver(target, compose(events, mark.doubtful))
    except NotificationError as error:
        ledger.keep(target.name, mark.refused(str(error)))
        raise
    ledger.keep(target.name, mark.sent())
    return f"told of {len(events)} runs"
