"""The sensor that watches the inbox: registers a partition for every export and starts the line.

What a tick does is planned by a pure function, so that it can be tested without Dagster: the cursor maps partition keys
to the fingerprint last launched. A ZIP waits until it and its companions have been left alone for a moment, because
people copy large files into folders.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from sam2_assets.assets.lineage import recorded
from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.video import UPLOAD_FINGERPRINT
from sam2_assets.inbox import Upload, scan
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource

SETTLE_S = 5.0
MOST_PER_TICK = 100


@dataclass(frozen=True)
class TickPlan:
    """What one tick does: uploads to launch, the cursor to keep, how many uploads are left for the next tick."""

    launches: tuple[Upload, ...]
    cursor: dict[str, str]
    waiting: int


def plan_tick(
    uploads: Sequence[Upload],
    cursor: Mapping[str, str],
    imported: Mapping[str, str] | None = None,
    *,
    now: float,
    most: int = MOST_PER_TICK,
) -> TickPlan:
    """Launch every upload that is neither what was launched last nor what was imported last, by object key.

    Args:
        uploads: the inbox.
        cursor: partition key to the fingerprint last launched.
        imported: partition key to the fingerprint last imported, whoever started that run.
        now: seconds since the epoch; uploads touched within ``SETTLE_S`` wait.
        most: launches of one tick; the rest come with the next.
    """
    found = {u.partition: u.fingerprint() for u in uploads}
    # What a person imported counts as launched: also when this sensor had launched an older version before.
    by_hand = {name: fingerprint for name, fingerprint in (imported or {}).items() if found.get(name) == fingerprint}
    # The cursor keeps what it knows of uploads that are gone: putting the same file back is not news.
    known = {**cursor, **by_hand}
    changed = [u for u in uploads if known.get(u.partition) != found[u.partition]]
    launches = tuple(u for u in changed if now - u.touched >= SETTLE_S)[:most]
    return TickPlan(
        launches, {**known, **{u.partition: found[u.partition] for u in launches}}, len(changed) - len(launches)
    )


@dg.sensor(
    name="inbox",
    job_name="ingest",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Watches the store's inbox folder: every new or changed export ZIP becomes a partition and a run.",
)
def inbox_sensor(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult | dg.SkipReason:
    """One tick, see ``plan_tick``."""
    uploads = scan(store.open().inbox)
    launched: dict[str, str] = json.loads(context.cursor or "{}")
    imported = recorded(context.instance, VIDEO.key("raw_export"), UPLOAD_FINGERPRINT)
    plan = plan_tick(uploads, launched, imported, now=time.time())
    if not plan.launches:
        context.update_cursor(json.dumps(plan.cursor, sort_keys=True))
        waiting = f", {plan.waiting} still being copied" if plan.waiting else ""
        return dg.SkipReason(f"no new export among {len(uploads)} in {store.open().inbox.shown()}{waiting}")
    known = set(context.instance.get_dynamic_partitions(str(videos.name)))
    new = [u.partition for u in plan.launches if u.partition not in known]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                # With the time: going back to contents that were imported before is a run of its own.
                run_key=f"{upload.partition}:{upload.fingerprint()}:{upload.touched:.0f}",
                partition_key=upload.partition,
                tags={"sam2_assets/export": upload.object_key},
            )
            for upload in plan.launches
        ],
        dynamic_partitions_requests=[videos.build_add_request(new)] if new else [],
        cursor=json.dumps(plan.cursor, sort_keys=True),
    )
