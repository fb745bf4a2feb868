"""From one uploaded export to its splits: the part of the line that exists only per video."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from sam2_assets.assets import showcase
from sam2_assets.assets.forms import form_of
from sam2_assets.assets.lineage import current
from sam2_assets.assets.repeats import APPEARANCE, SAME_VIDEO_AS, known_twins, twins_of
from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.station import Station, custom_file, failures_explained
from sam2_assets.errors import ExportError
from sam2_assets.exports import read_export
from sam2_assets.exports.importer import IMPORT_FILE
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.inbox import find_upload
from sam2_assets.instructions import build_dataset
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.partitions import videos
from sam2_assets.pixels import now_and_then
from sam2_assets.quality import assess, write_report
from sam2_assets.quality.findings import QUALITY_FILE
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.quarantine import quarantine, release
from sam2_assets.resources import StoreResource
from sam2_assets.settings import write_section
from sam2_assets.splitting import Source, split
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.tables import Tables

ImportForm = form_of(ImportSettings)
InstructionForm = form_of(InstructionSettings)
QualityForm = form_of(QualitySettings)
SplitForm = form_of(SplitSettings)
Result = dg.MaterializeResult[Any]
UPLOAD_FINGERPRINT = "upload_fingerprint"
"""Metadata by which the inbox sensor knows that an upload was imported, whoever started that run."""


@dg.asset(
    key=VIDEO.key("raw_export"), partitions_def=videos, group_name=VIDEO.group, code_version="1", kinds={"parquet"}
)
def raw_export(context: dg.AssetExecutionContext, config: ImportForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
    """The uploaded ZIP, read right: tables of frames and objects, clean pictures, and a record of every repair."""
    with failures_explained():
        station = Station(context, store, "importing", config)
        upload = find_upload(station.store.inbox, context.partition_key)
        fingerprint = upload.fingerprint()
        settings = station.settings().settings.importing
        with station.publish() as draft:
            inbox = station.store.inbox
            video = None if upload.video is None else inbox.local(upload.video)
            progress = now_and_then(lambda done: context.log.info(f"{done} pictures read and measured"))
            archive = inbox.local(upload.archive)
            try:
                read_export(archive, draft.folder, video=video, settings=settings, progress=progress)
            except ExportError as error:
                quarantine(station.store.files, upload, error)
                raise
            write_section(settings, draft.folder)
            facts = showcase.of_export(draft.folder)
            looks = json.loads((draft.folder / IMPORT_FILE).read_text(encoding="utf-8"))["appearance"]
        release(station.store.files, upload.partition)
        if twins := twins_of(context.instance, context.partition_key, looks):
            facts[SAME_VIDEO_AS] = ", ".join(twins)
            context.log.warning(f"shows the same video as {', '.join(twins)}; the corpus uses one of them")
        facts[APPEARANCE] = json.dumps(looks)
        return station.result(draft.published, {**facts, UPLOAD_FINGERPRINT: fingerprint})


@dg.asset(
    key=VIDEO.key("instruction_dataset"),
    deps=[VIDEO.key("raw_export")],
    partitions_def=videos,
    group_name=VIDEO.group,
    code_version="1",
    kinds={"huggingface"},
)
def instruction_dataset(context: dg.AssetExecutionContext, config: InstructionForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
    """Questions and answers about the frames: one canonical dataset, and views of it in other tools' formats."""
    with failures_explained():
        station = Station(context, store, "instructions", config)
        raw = station.take(VIDEO.key("raw_export"), VIDEO.table_gates)
        settings = station.settings().settings.instructions
        with station.publish() as draft:
            build_dataset(station.folder(raw), draft.folder, settings)
            write_section(settings, draft.folder)
            facts = showcase.of_dataset(draft.folder)
        return station.result(draft.published, facts)


@dg.asset(
    key=VIDEO.key("quality_report"),
    deps=[VIDEO.key("raw_export"), VIDEO.key("instruction_dataset")],
    partitions_def=videos,
    group_name=VIDEO.group,
    code_version="1",
    kinds={"pandera"},
)
def quality_report(context: dg.AssetExecutionContext, config: QualityForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
    """What is wrong with the export, how bad it is and what to do about it; as a page with pictures."""
    with failures_explained():
        station = Station(context, store, "quality", config)
        raw = station.folder(station.take(VIDEO.key("raw_export"), VIDEO.table_gates))
        station.take(VIDEO.key("instruction_dataset"))
        settings = station.settings().settings.quality
        tables = Tables.read(raw)
        name, key = context.partition_key, VIDEO.key("raw_export")
        twins = known_twins(context.instance).get(name, [])
        found = {f"{SAME_VIDEO_AS}:{twin}": current(context.instance, key, twin) for twin in twins}
        with station.publish({role: twin.ref for role, twin in found.items() if twin is not None}) as draft:
            findings = assess(tables, raw, settings)
            remarks = [f"Shows the same video as {twin}; the corpus uses the one with more frames." for twin in twins]
            write_report(findings, tables, raw, draft.folder, partition=name, remarks=remarks)
            write_section(settings, draft.folder)
            facts = showcase.of_report(draft.folder, findings)
        return station.result(draft.published, facts)


@dg.asset(
    key=VIDEO.key("splits"),
    deps=[VIDEO.key("instruction_dataset"), VIDEO.key("quality_report")],
    partitions_def=videos,
    group_name=VIDEO.group,
    code_version="2",
    kinds={"parquet"},
)
def splits(context: dg.AssetExecutionContext, config: SplitForm, store: StoreResource) -> Result:  # type: ignore[valid-type]
    """Training, validation and test frames, with the evidence that no test frame is a neighbour of a training frame."""
    with failures_explained():
        station = Station(context, store, "splitting", config)
        dataset = station.take(VIDEO.key("instruction_dataset"))
        report = station.take(VIDEO.key("quality_report"))
        settings = station.settings().settings
        raw = station.store.inputs(dataset.ref)["raw_export"]
        imported = station.folder(raw)
        source = Source(
            video_id=Tables.read(imported).video_id,
            partition=context.partition_key,
            dataset=station.folder(dataset),
            dataset_ref={"sha256": dataset.ref.sha256},
            waivers=_waivers_in_force(station.folder(report), imported, settings.quality),
            # Imports of earlier versions have none.
            appearance=json.loads((imported / IMPORT_FILE).read_text(encoding="utf-8")).get("appearance", {}),
            raw=imported,
        )
        extra = {"raw_export": raw, f"dataset:{source.video_id}": dataset.ref, "quality_report": report.ref}
        with station.publish(extra) as draft:
            custom = custom_file(station, settings.splitting)
            split([source], draft.folder, settings.splitting, corpus=False, custom=custom)
            write_section(settings.splitting, draft.folder)
            # The gates on the splits look at the tables again, by the thresholds and waivers of this moment.
            write_section(settings.quality, draft.folder, "quality_settings.json")
            facts = showcase.of_splits(draft.folder)
        return station.result(draft.published, facts)


def _waivers_in_force(report: Path, raw: Path, settings: QualitySettings) -> dict[str, str]:
    """The waivers without which a check would fail: a card must not say that a check failed that did not.

    The report knows them, unless the settings were changed since it was written.
    """
    if QualitySettings.model_validate_json((report / "settings.json").read_bytes()) == settings:
        waivers: dict[str, str] = json.loads((report / QUALITY_FILE).read_text(encoding="utf-8"))["waivers"]
        return waivers
    return assess(Tables.read(raw), raw, settings).waivers
