"""The sensor that watches the inbox: registers a partition for every export and starts the line.

What a tick does is planned by ``intake.plan_tick``; here its plan meets the storage and Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from sam2_assets.assets.lineage import recorded
from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.automation.intake import USUAL, Limits, Memory, Tick, plan_tick
from sam2_assets.automation.settings import SWITCHED_OFF, AutomationSettings
from sam2_assets.inbox import Upload
from sam2_assets.partitions import videos
from sam2_assets.quarantine import Quarantined, quarantined, release
from sam2_assets.resources import StoreResource
from sam2_assets.storage import Page, Storage, StoredFile
from sam2_assets.store import Store

EXPORT_TAG = "sam2_assets/export"
_PAGE = 1000
_SHOWN = 5


def run_key(upload: Upload) -> str:
    """Dagster starts one run a key. With the time: going back to earlier contents is a run of its own."""
    return f"{upload.partition}:{upload.fingerprint()}:{upload.touched:.0f}"


def build_inbox_sensor(settings: AutomationSettings, limits: Limits = USUAL) -> dg.SensorDefinition:
    """The sensor of a deployment."""

    @dg.sensor(
        name="inbox",
        job_name="ingest",
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches the inbox: every new or changed export ZIP becomes a partition and a run.",
    )
    def inbox_sensor(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
        """One tick."""
        if not settings.enabled:
            return dg.SkipReason(SWITCHED_OFF)
        opened = store.open()
        memory = Memory.read(context.cursor)
        bad = quarantined(opened.files)
        first = opened.inbox.page(memory.after, _PAGE)
        tick = plan_tick(
            _listing(opened.inbox, first),
            memory,
            _taken(context.instance, bad),
            now=first.now,
            arriving=opened.inbox.arriving(),
            video_within_s=settings.wait_for_video_s,
            limits=limits,
        )
        cursor = tick.memory.model_dump_json(exclude_defaults=True)
        bad = _still_bad(opened, bad, tick)
        said = _said(tick, bad, opened.inbox)
        if not tick.launches:
            context.update_cursor(cursor)
            return dg.SkipReason(said)
        context.log.info(said)
        new = [
            upload.partition
            for upload in tick.launches
            if not context.instance.has_dynamic_partition(str(videos.name), upload.partition)
        ]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=run_key(upload),
                    partition_key=upload.partition,
                    tags={EXPORT_TAG: upload.object_key},
                )
                for upload in tick.launches
            ],
            dynamic_partitions_requests=[videos.build_add_request(new)] if new else [],
            cursor=cursor,
        )

    return inbox_sensor


def _still_bad(store: Store, bad: Mapping[str, Quarantined], tick: Tick) -> dict[str, Quarantined]:
    """The records that are still about what lies in the inbox; others are forgotten, as far as they would be shown."""
    replaced = {upload.partition for upload in tick.launches}
    kept = {}
    for number, (partition, record) in enumerate(bad.items()):
        if partition in replaced or (number < _SHOWN and store.inbox.stat(record.export) is None):
            release(store.files, partition)
        else:
            kept[partition] = record
    return kept


def _listing(inbox: Storage, page: Page) -> Iterator[StoredFile]:
    """The files of a page and of all that follow it, asked for as they are needed."""
    yield from page.files
    while page.last is not None:
        page = inbox.page(page.last, _PAGE)
        yield from page.files


def _taken(
    instance: dg.DagsterInstance, bad: Mapping[str, Quarantined]
) -> Callable[[Sequence[Upload]], frozenset[str]]:
    """See ``intake.Taken``: by what the event log, the runs and the quarantine say."""

    def taken(uploads: Sequence[Upload]) -> frozenset[str]:
        fingerprints = {upload.partition: upload.fingerprint() for upload in uploads}
        imported = recorded(instance, VIDEO.key("raw_export"), UPLOAD_FINGERPRINT, fingerprints)
        refused = {name: bad[name].fingerprint for name in fingerprints if name in bad}
        keys = {run_key(upload): upload.partition for upload in uploads}
        # An answer too long for one page would be no harm: Dagster starts no second run of a key.
        runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: list(keys)}), limit=len(keys))
        launched = {keys[run.tags[RUN_KEY_TAG]] for run in runs}
        same = {name for name, has in fingerprints.items() if has in (imported.get(name), refused.get(name))}
        return frozenset(same | launched)

    return taken


def _said(tick: Tick, bad: Mapping[str, Quarantined], inbox: Storage) -> str:
    """What a person reads beside the tick."""
    seen = f"{tick.uploads} exports" if tick.whole else f"the next {tick.uploads} exports"
    parts = [f"{len(tick.launches) or 'no'} new among {seen} in {inbox.shown()}"]
    for upload, reason in tick.waiting[:_SHOWN]:
        parts.append(f"{upload.object_key} waits: {reason}")
    if len(tick.waiting) > _SHOWN:
        parts.append(f"{len(tick.waiting) - _SHOWN} more wait")
    for record in list(bad.values())[:_SHOWN]:
        parts.append(f"{record.export} is in quarantine: {record.reason}")
    if len(bad) > _SHOWN:
        parts.append(f"{len(bad) - _SHOWN} more are in quarantine (sam2-assets status)")
    return "; ".join(parts)
