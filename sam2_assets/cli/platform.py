"""Commands for people whose files are on their laptop: submit, fetch, settings, approve, launch."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from rich.console import Console
from rich.table import Column, Table

from sam2_assets import inbox
from sam2_assets.approvals import approve as record_approval
from sam2_assets.assets.lineage import current
from sam2_assets.cli.activity import CORPUS_NAME
from sam2_assets.cli.instance import Outcome, Platform, daemon_is_up, open_platform
from sam2_assets.cli.interruption import kept
from sam2_assets.cli.launching import check_job, execute
from sam2_assets.cli.printing import plan_in_words
from sam2_assets.cli.targets import STATIONS, has_station, require_known, scope_of
from sam2_assets.errors import SettingsError, StoreError
from sam2_assets.exports import read_export
from sam2_assets.pixels import now_and_then
from sam2_assets.quality import refuse_pointless_waivers
from sam2_assets.resources.store import settings_place
from sam2_assets.settings import PROJECT_FILE, Layer, describe, parse_layer, read_layer, resolve
from sam2_assets.storage import Storage
from sam2_assets.training.plan import PLAN_FILE, Plan


def submit(archive: Path, video: Path | None, settings: Path | None) -> int:
    """Put an export into the inbox; without a running daemon, run the line to the training plan here."""
    with open_platform() as platform:
        if settings is not None:
            _refuse_bad(read_layer(settings))
        _refuse_unreadable(platform, archive, video, settings)
        with kept("`sam2-assets status` says whether the export is in the inbox; the same command goes on"):
            upload = inbox.submit(platform.store.open().inbox, archive, video=video, settings=settings)
        again = f"sam2-assets launch ingest {upload.partition}"
        with kept(f"the export is in the inbox. Go on with: {again}"):
            print(f"{upload.object_key} is in the inbox: partition {upload.partition}")
            if daemon_is_up(platform.instance):
                print("The inbox sensor starts the line within half a minute.")
                print(f"next: sam2-assets status {upload.partition}")
                return 0
            return _finish(execute(platform, "ingest", upload.partition, again), upload.partition)


def _refuse_unreadable(platform: Platform, archive: Path, video: Path | None, settings: Path | None) -> None:
    """Read the export as the import will: what cannot be read never reaches the inbox, nor replaces what lies there.

    Raises:
        ExportError: whatever is wrong with the files.
        SettingsError: in one of the settings files that will hold for it.
    """
    opened = platform.store.open()
    inbox.refuse_unfit(opened.inbox, archive, video=video, settings=settings)
    own = opened.inbox.read(inbox.settings_name_of(archive))
    layers = [
        parse_layer(opened.files.read(PROJECT_FILE), opened.files.shown(PROJECT_FILE)),
        read_layer(settings) if settings else parse_layer(own, opened.inbox.shown(inbox.settings_name_of(archive))),
    ]
    chosen = resolve(layers).settings.importing
    progress = now_and_then(lambda done: print(f"{done} pictures read", flush=True))
    with TemporaryDirectory(prefix="sam2-assets-") as folder:
        read = read_export(archive, Path(folder), video=video, settings=chosen, progress=progress)
    print(f"{archive.name} is readable: {read.frames} annotated frames, {read.objects} annotations")


def _finish(outcome: Outcome, name: str) -> int:
    for reason in outcome.reasons:
        print(f"failed: {reason}")
    print(f"next: sam2-assets status {name}")
    return 0 if outcome.success else 2


def fetch(name: str, asset: str, out: Path) -> None:
    """Copy the newest version of an artifact into ``out``, complete or not at all.

    Raises:
        StoreError: ``unknown_asset``, ``not_materialized`` or ``folder_in_the_way``.
    """
    with open_platform() as platform:
        scope, partition = require_known(platform, name)
        if asset not in STATIONS or not has_station(scope, asset):
            raise StoreError(
                "unknown_asset",
                "there is no such asset",
                field="asset",
                value=asset,
                remedy=f"One of: {', '.join(STATIONS)}.",
            )
        found = current(platform.instance, scope.key(asset), partition)
        if found is None:
            raise StoreError(
                "not_materialized",
                "there is no version of it yet",
                file=f"{name}/{asset}",
                remedy=f"`sam2-assets status {name}` says what it waits for.",
            )
        if out.exists() and any(out.iterdir()):
            raise StoreError("folder_in_the_way", "the folder is not empty", file=str(out), remedy="Name a new folder.")
        source = platform.store.open().open(found.ref)
        draft = out.with_name(f".draft-{out.name}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft)
        if out.exists():
            out.rmdir()
        draft.rename(out)
        print(f"{found.name}: {out}")


def settings(name: str | None, changes: Sequence[str], *, explain: bool) -> None:
    """Print the settings of a partition with the file each comes from; or write changes into its settings file, and
    print those.
    """
    console = Console()
    if explain or name is None:
        table = Table("setting", "default", "meaning")
        for row in describe():
            table.add_row(*row)
        console.print(table)
        return
    with open_platform() as platform:
        _, partition = scope_of(name)
        if changes:
            _change(*settings_place(platform.store.open(), partition), changes)
        resolved = platform.store.settings(partition)
        values = resolved.settings.model_dump(mode="json")
        # A name is copied into --set: never cut.
        table = Table(
            Column("setting", no_wrap=True), Column("value", overflow="fold"), Column("from", overflow="fold")
        )
        changed = [change.partition("=")[0].strip() for change in changes]
        for setting, _, _ in describe():
            if changes and not any(f"{path}.".startswith(f"{setting}.") for path in changed):
                continue
            value: Any = values
            for part in setting.split("."):
                value = value[part]
            source = next((o for f, o in resolved.origins.items() if f == setting or f.startswith(f"{setting}.")), "")
            table.add_row(setting, str(value), Path(source).name if source else "[dim]default[/]")
        console.print(table)
        if changes:
            print("It holds from the next version on. With make ui running the inbox sensor makes one; else:")
            print(f"next: sam2-assets launch {'plan_corpus' if partition is None else f'ingest {partition}'}")


def _refuse_bad(layer: Layer) -> None:
    """Refuse settings that nobody could follow before they are in the store."""
    refuse_pointless_waivers(resolve([layer]).settings.quality)


def _typed(text: str) -> Any:
    """What the text means in YAML; a sentence stays one, though it may hold a colon or a bracket."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, dict) and not text.lstrip().startswith("{") else value


def _change(files: Storage, sidecar: str, changes: Sequence[str]) -> None:
    values: dict[str, Any] = dict(parse_layer(files.read(sidecar), files.shown(sidecar)).values)
    for change in changes:
        path, separator, text = change.partition("=")
        if not separator or "." not in path:
            raise SettingsError(
                "not_a_change", "a change is section.field=value", value=change, remedy="E.g. splitting.segments=2."
            )
        *sections, last = path.strip().split(".")
        place = values
        for section in sections:
            inside = place.get(section)
            place[section] = inside if isinstance(inside, dict) else {}
            place = place[section]
        place[last] = _typed(text)
    _refuse_bad(Layer(files.shown(sidecar), values))
    files.write(sidecar, yaml.safe_dump(values, allow_unicode=True, sort_keys=False).encode())
    print(f"written: {files.shown(sidecar)}")


def approve(name: str, by: str | None, *, run: bool) -> int:
    """Record the approval of the newest plan; with ``run``, execute it."""
    with open_platform() as platform:
        scope, partition = require_known(platform, name)
        found = current(platform.instance, scope.key("training_plan"), partition)
        if found is None:
            raise StoreError(
                "not_materialized",
                "there is no training plan yet",
                file=name,
                remedy=f"`sam2-assets status {name}` says what it waits for.",
            )
        opened = platform.store.open()
        plan = Plan.read(opened.open(found.ref) / PLAN_FILE)
        approval = record_approval(opened.files, plan.plan_hash, by or getpass.getuser())
        print(plan_in_words(plan))
        print(f"{name}: approved by {approval.approved_by}")
        job = "train_corpus" if partition is None else "train_video"
        again = f"sam2-assets approve {name} --run"
        if not run:
            print(f"next: automation starts it, where its daemon runs; else launch {job} in the UI, or: {again}")
            return 0
        with kept(f"the plan is approved. Go on with: {again}"):
            return _finish(execute(platform, job, partition, again), name)


def launch(job: str, partition: str | None) -> int:
    """Run a job to its end: in Dagster's queue if its daemon is running, else here."""
    with open_platform() as platform:
        check_job(platform, job, partition)
        again = " ".join(["sam2-assets launch", job, *([partition] if partition else [])])
        return _finish(execute(platform, job, partition, again), partition or CORPUS_NAME)
