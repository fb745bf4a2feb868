"""Command preview: samples of an export, or of a partition's dataset, as model families see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sam2_assets.cli.local import dataset_of
from sam2_assets.errors import DatasetError, SettingsError, StoreError
from sam2_assets.instructions.preview import PREVIEW_PAGE, SIGHTS, sight_of, write_preview
from sam2_assets.settings import read_layer, resolve


def preview(
    source: str, out: Path, families: Sequence[str], count: int, video: Path | None, settings: Path | None
) -> None:
    """Write the preview into ``out``.

    Args:
        source: path of an export, or a partition key.
        out: a new or empty folder.
        families: names in ``SIGHTS``; all of them if there is none.
        count: samples of each.
        video: for an export only: the video it was made from.
        settings: for an export only: a settings file.

    Raises:
        SettingsError: ``unknown_family``, ``not_for_a_partition``, or a settings file that cannot be followed.
        ExportError: the export cannot be read.
        DatasetError: ``folder_not_empty``, or ``gate_failed``: the export's tables are unsound.
        StoreError: ``not_materialized``, or no such partition.
    """
    chosen = list(dict.fromkeys(families)) or list(SIGHTS)
    for family in chosen:
        sight_of(family)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(
            "folder_not_empty", "the folder to write is not empty", file=str(out), remedy="Give a new folder."
        )
    if Path(source).is_file():
        resolved = resolve([read_layer(settings)] if settings else []).settings
        with TemporaryDirectory(prefix="sam2-assets-") as scratch:
            pictures = write_preview(dataset_of(Path(source), Path(scratch), video, resolved), out, chosen, count)
    else:
        if source.endswith(".zip"):
            raise DatasetError("no_such_file", "there is no such export", file=source, remedy="Look at the path.")
        if video or settings:
            raise SettingsError(
                "not_for_a_partition",
                "a partition has its video and settings already",
                field="--video" if video else "--settings",
                value=str(video or settings),
                remedy="Leave it out, or name an export.",
            )
        pictures = _of_partition(source, out, chosen, count)
    print(f"{len(pictures)} pictures and {PREVIEW_PAGE} in {out}")


def _of_partition(name: str, out: Path, families: Sequence[str], count: int) -> list[Path]:
    # Dagster takes a second to import; an export does not need it.
    from sam2_assets.assets.lineage import current
    from sam2_assets.cli.instance import open_platform
    from sam2_assets.cli.targets import has_station, require_known

    with open_platform() as platform:
        scope, partition = require_known(platform, name)
        found = None
        if has_station(scope, "instruction_dataset"):
            found = current(platform.instance, scope.key("instruction_dataset"), partition)
        if found is None:
            raise StoreError(
                "not_materialized",
                "there is no dataset of it",
                file=f"{name}/instruction_dataset",
                remedy=f"`sam2-assets status {name}` says what it waits for. The corpus has none of its own.",
            )
        return write_preview(platform.store.open().open(found.ref), out, families, count)
