"""Which artifact is current: read from Dagster's event log, the only record of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from sam2_assets.store import ArtifactRef

EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class Materialized:
    """An artifact with the event that recorded it."""

    key: dg.AssetKey
    partition: str | None
    ref: ArtifactRef
    storage_id: int
    run_id: str

    @property
    def name(self) -> str:
        """For messages: ``splits[cats-1f2e3d] 0123456789ab``."""
        partition = f"[{self.partition}]" if self.partition else ""
        return f"{self.key.to_user_string()}{partition} {self.ref.sha256[:12]}"


def materialized(record: dg.EventLogRecord) -> Materialized | None:
    """The artifact that an event recorded; None for events that are not ours."""
    event = record.asset_materialization
    if event is None or "path" not in event.metadata or "sha256" not in event.metadata:
        return None
    ref = ArtifactRef(str(event.metadata["path"].value), str(event.metadata["sha256"].value))
    return Materialized(event.asset_key, event.partition, ref, record.storage_id, record.run_id)


def current(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None, run_id: str | None = None
) -> Materialized | None:
    """This run's own version of an asset if it made one, else the newest."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=10
    ).records
    found = [m for record in records if (m := materialized(record)) is not None]
    return next((m for m in found if m.run_id == run_id), found[0] if found else None)


def closes(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether an evaluation stands in the way: a failure does, a warning does not."""
    return not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR


def current_of_all_partitions(
    instance: dg.DagsterInstance, key: dg.AssetKey, gates: Sequence[dg.AssetCheckKey]
) -> tuple[dict[str, Materialized], dict[str, str]]:
    """The newest version of every partition, parted by whether all gates passed on exactly that data.

    A loop over ``current`` would ask the event log once a partition; this asks once a page.

    Returns:
        The members by partition, and for every partition left out the reason.
    """
    ids = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
    newest = list(ids.values())
    records = (
        instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, storage_ids=newest), limit=len(newest)
        ).records
        if newest
        else []
    )
    found = {m.partition: m for record in records if (m := materialized(record)) is not None and m.partition}
    passed: dict[tuple[str, str], bool] = {}
    for gate in gates:
        cursor = None
        while page := instance.event_log_storage.get_asset_check_execution_history(
            gate, limit=1000, cursor=cursor, status=EVALUATED
        ):
            for record in page:  # newest first
                evaluation = record.evaluation
                member = found.get(record.partition or "")
                version = evaluation.metadata.get("data_version") if evaluation else None
                if member and evaluation and version and version.value == member.ref.sha256:
                    passed.setdefault((gate.name, str(member.partition)), not closes(evaluation))
            cursor = page[-1].id
    members, rejected = {}, {}
    for partition, member in sorted(found.items()):
        verdicts = {gate.name: passed.get((gate.name, partition)) for gate in gates}
        closed = [name for name, verdict in verdicts.items() if verdict is False]
        unmeasured = [name for name, verdict in verdicts.items() if verdict is None]
        if closed:
            rejected[partition] = f"gate not passed: {', '.join(closed)}"
        elif unmeasured:
            rejected[partition] = (
                f"gate not measured: {', '.join(unmeasured)}; import it again: sam2-assets launch ingest {partition}"
            )
        else:
            members[partition] = member
    return members, rejected


def recorded(
    instance: dg.DagsterInstance, key: dg.AssetKey, name: str, partitions: Collection[str] | None = None
) -> dict[str, str]:
    """One metadata value of the newest materialization of every partition (or of some) that has it."""
    ids = list(
        instance.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, None if partitions is None else set(partitions)
        ).values()
    )
    if not ids:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, storage_ids=ids), limit=len(ids)
    ).records
    found = {}
    for record in records:
        event = record.asset_materialization
        if event is not None and event.partition and name in event.metadata:
            found[event.partition] = str(event.metadata[name].value)
    return found
