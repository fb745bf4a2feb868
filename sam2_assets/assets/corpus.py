"""The corpus: every video whose gates passed, merged into one split."""

from typing import Any

import dagster as dg

from sam2_assets.assets import showcase
from sam2_assets.assets.forms import form_of
from sam2_assets.assets.lineage import current, current_of_all_partitions
from sam2_assets.assets.members import RESPLIT, gather, version_before
from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.assets.station import Station, custom_file, failures_explained
from sam2_assets.errors import DatasetError
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource
from sam2_assets.settings import write_section
from sam2_assets.splitting import split
from sam2_assets.splitting.settings import SplitSettings

SplitForm = form_of(SplitSettings)


@dg.asset(
    key=CORPUS.key("splits"),
    deps=[dg.AssetDep(VIDEO.key("splits"), partition_mapping=dg.AllPartitionMapping())],
    group_name=CORPUS.group,
    code_version="2",
    kinds={"parquet"},
)
def corpus_splits(
    context: dg.AssetExecutionContext,
    config: SplitForm,  # type: ignore[valid-type]
    store: StoreResource,
) -> dg.MaterializeResult[Any]:
    """All videos together. A rejected video holds nobody up: it is listed with its reason. Only new ones are read."""
    with failures_explained():
        station = Station(context, store, "splitting", config)
        members, rejected = current_of_all_partitions(context.instance, VIDEO.key("splits"), VIDEO.member_gates)
        if not members:
            raise DatasetError(
                "empty_corpus",
                f"no video has passed its gates ({len(rejected)} rejected)",
                file="corpus/splits",
                remedy="Look at the failed checks of the videos' splits; correct the exports or waive the gates.",
            )
        settings = station.settings().settings
        before = version_before(station, current(context.instance, CORPUS.key("splits"), None), settings.splitting)
        gathered = gather(station, members, before)
        for partition, reason in gathered.without.items():
            rejected[partition] = reason
        context.log.info(f"{len(gathered.members)} videos, {len(gathered.read)} of them new since the version before")
        inputs = {f"splits:{partition}": members[partition].ref for partition in gathered.datasets}
        left_out = [{"partition": name, "reason": reason} for name, reason in sorted(rejected.items())]
        with station.publish(inputs) as draft:
            summary = split(
                gathered.members,
                draft.folder,
                settings.splitting,
                rejected=left_out,
                corpus=True,
                custom=custom_file(station, settings.splitting),
                previous=None if before is None else before.previous,
                label_map=settings.importing.label_map,
            )
            # Of videos that show the same, only the dataset of the one that is used.
            for partition, video_id in summary.used.items():
                draft.inputs[f"dataset:{video_id}"] = gathered.datasets[partition]
            write_section(settings.splitting, draft.folder)
            facts = showcase.of_splits(draft.folder)
        if summary.moved:
            context.log.warning(f"{summary.moved} frames are used for another purpose than in the version before")
        merged: dict[str, Any] = {
            "videos_read": len(gathered.read),
            "frames_moved": summary.moved,
            RESPLIT: settings.splitting.resplit,
        }
        # Stopped before their splits. Not part of what is published: one more of them is no new data.
        known = set(context.instance.get_dynamic_partitions(str(videos.name)))
        if stopped := sorted(known - set(members) - set(rejected)):
            merged["without_splits"] = dg.MetadataValue.md("\n".join(f"- `sam2-assets status {n}`" for n in stopped))
        return station.result(draft.published, {**facts, **merged})
