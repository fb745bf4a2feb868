"""The corpus: the splits of every video whose gates passed, merged into one."""

import json
from typing import Any

import dagster as dg

from sam2_assets.assets import showcase
from sam2_assets.assets.forms import form_of
from sam2_assets.assets.lineage import current_of_all_partitions
from sam2_assets.assets.scope import CORPUS, SIZE_GATE, VIDEO
from sam2_assets.assets.station import Station, failures_explained
from sam2_assets.errors import DatasetError
from sam2_assets.resources import StoreResource
from sam2_assets.settings import write_section
from sam2_assets.splitting import Source, split
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.store import ArtifactRef

SplitForm = form_of(SplitSettings)


def _appearance(station: Station, splits: ArtifactRef) -> dict[str, str]:
    """What the video behind the splits looks like; empty if it was imported before that was recorded."""
    raw = station.store.inputs(splits)["raw_export"]
    record = json.loads(station.store.open_file(raw, "import.json").read_text(encoding="utf-8"))
    return dict(record.get("appearance", {}))


@dg.asset(
    key=CORPUS.key("splits"),
    deps=[dg.AssetDep(VIDEO.key("splits"), partition_mapping=dg.AllPartitionMapping())],
    group_name=CORPUS.group,
    code_version="1",
    kinds={"parquet"},
)
def corpus_splits(
    context: dg.AssetExecutionContext,
    config: SplitForm,  # type: ignore[valid-type]
    store: StoreResource,
) -> dg.MaterializeResult[Any]:
    """All videos together. A rejected video holds nobody up: it is listed with its reason."""
    with failures_explained():
        station = Station(context, store, "splitting", config)
        # A video too short to be tested on alone may still teach.
        gates = [gate for gate in VIDEO.split_gates if gate.name != SIZE_GATE]
        members, rejected = current_of_all_partitions(context.instance, VIDEO.key("splits"), gates)
        if not members:
            raise DatasetError(
                "empty_corpus",
                f"no video has passed its gates ({len(rejected)} rejected)",
                file="corpus/splits",
                remedy="Look at the failed checks of the videos' splits; correct the exports or waive the gates.",
            )
        sources: list[Source] = []
        inputs: dict[str, ArtifactRef] = {}
        for partition, member in members.items():
            folder = station.folder(member)
            recorded = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
            inputs[f"splits:{partition}"] = member.ref
            for entry in recorded["sources"]:
                name = f"dataset:{entry['video_id']}"
                if name in inputs:
                    rejected[partition] = f"the same video as another export in the corpus ({entry['video_id']})"
                    continue
                dataset = station.store.inputs(member.ref)[name]
                inputs[name] = dataset
                sources.append(
                    Source(
                        video_id=entry["video_id"],
                        partition=partition,
                        dataset=station.folder(dataset),
                        dataset_ref={"sha256": dataset.sha256},
                        appearance=_appearance(station, member.ref),
                        waivers={waiver["gate"]: waiver["reason"] for waiver in recorded["waivers"]},
                    )
                )
        settings = station.settings().settings.splitting
        left_out = [{"partition": name, "reason": reason} for name, reason in sorted(rejected.items())]
        with station.publish(inputs) as draft:
            split(sources, draft.folder, settings, rejected=left_out)
            write_section(settings, draft.folder)
            facts = showcase.of_splits(draft.folder)
        return station.result(draft.published, facts)
