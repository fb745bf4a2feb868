"""What the corpus knows of its videos: taken over from its version before, read only for those that are new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from sam2_assets.assets.lineage import Materialized
from sam2_assets.assets.station import Station
from sam2_assets.errors import DatasetError, StoreError
from sam2_assets.splitting import Member, Previous, SplitSettings, read_members
from sam2_assets.splitting.facts import FRAME_FACTS_FILE, VIDEOS_FILE
from sam2_assets.store import ArtifactRef

RESPLIT = "resplit"
"""Metadata of ``corpus/splits``: the deal that its sides are of."""


@dataclass(frozen=True)
class Known:
    """The version before: what it published, and what it was made from."""

    previous: Previous
    inputs: dict[str, ArtifactRef]

    def member(self, partition: str, splits: ArtifactRef) -> Member | None:
        """A video's facts, if it was taken from exactly these splits."""
        found = self.previous.members.get(partition)
        known = found is not None and f"dataset:{found.video_id}" in self.inputs
        return found if known and self.inputs.get(f"splits:{partition}") == splits else None


@dataclass(frozen=True)
class Gathered:
    """The corpus' videos.

    Args:
        members: what a split must know of each.
        datasets: partition to the dataset behind its splits.
        read: partitions whose facts had to be read.
        without: partition to the reason why it cannot be used.
    """

    members: list[Member]
    datasets: dict[str, ArtifactRef]
    read: list[str]
    without: dict[str, str]


def gather(station: Station, taken: Mapping[str, Materialized], before: Known | None) -> Gathered:
    """The facts of every video, from the version before where its splits are the same, else from its own splits.

    Args:
        station: of ``corpus/splits``.
        taken: partition to the newest splits whose gates passed.
        before: the version before.
    """
    members, datasets, read, without = [], {}, [], {}
    for partition, splits in taken.items():
        known = None if before is None else before.member(partition, splits.ref)
        if known is None or before is None:
            read.append(partition)
            try:
                found = _read(station, splits.ref)
            except DatasetError as error:
                without[partition] = str(error)
                continue
            dataset = station.store.inputs(splits.ref)[f"dataset:{found.video_id}"]
        else:
            found, dataset = known, before.inputs[f"dataset:{known.video_id}"]
        members.append(found)
        datasets[partition] = dataset
    return Gathered(members, datasets, read, without)


def _read(station: Station, splits: ArtifactRef) -> Member:
    """The facts that a video's splits published; nothing else of it is fetched or verified."""
    folder = station.store.open_file(splits, VIDEOS_FILE).parents[1]
    station.store.open_file(splits, FRAME_FACTS_FILE)
    (member,) = read_members(folder).values()
    return member


def version_before(station: Station, found: Materialized | None, settings: SplitSettings) -> Known | None:
    """The newest version of the corpus' splits, if videos are to stay where it has them.

    Raises:
        StoreError: if it cannot be read: every video might change sides unnoticed.
    """
    if found is None:
        return None
    try:
        return Known(Previous.read(station.folder(found)), station.store.inputs(found.ref))
    except DatasetError:
        # Of a version that recorded no members: it was split by time, which needs no memory.
        station.context.log.info("the version before has no record of its videos: all of them are read")
        return None
    except StoreError as error:
        if _dealt(station, found) != str(settings.resplit):
            station.context.log.warning(f"{error}; all videos are dealt anew, as asked")
            return None
        raise StoreError(
            "previous_unreadable",
            f"the version before cannot be read, and videos might change sides ({error.problem})",
            file=found.name,
            field="splitting.resplit",
            value=settings.resplit,
            remedy="Restore it, or raise splitting.resplit in corpus.settings.yaml to deal all videos anew.",
        ) from error


def _dealt(station: Station, found: Materialized) -> str | None:
    """The ``splitting.resplit`` that a version was made with."""
    selected = dg.AssetRecordsFilter(asset_key=found.key, storage_ids=[found.storage_id])
    for record in station.context.instance.fetch_materializations(selected, limit=1).records:
        event = record.asset_materialization
        if event is not None and RESPLIT in event.metadata:
            return str(event.metadata[RESPLIT].value)
    return None
