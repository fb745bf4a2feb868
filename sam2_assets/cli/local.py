"""Commands that need neither a store nor Dagster: sample, convert."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from sam2_assets.cli.interruption import kept
from sam2_assets.errors import DatasetError
from sam2_assets.exports import read_export
from sam2_assets.instructions import VIEWS, InstructionSettings, build_dataset, write_view
from sam2_assets.quality import QualitySettings, Stage, assess
from sam2_assets.sample import write_sample
from sam2_assets.settings import Settings, read_layer, resolve
from sam2_assets.tables import Tables


def write_sample_exports(out: Path, videos: int, seed: int) -> None:
    """Write the sample into a folder, saying what was written."""
    out.mkdir(parents=True, exist_ok=True)
    with kept(f"what was drawn so far is in {out}; the same command draws all of it again"):
        made = write_sample(out, seed=seed, videos=videos, on_progress=lambda line: print(line, flush=True))
    print(f"{len(made)} export{'s with their source videos' if len(made) > 1 else ' with its source video'} in {out}")
    print(f"next: sam2-assets inspect {made[0].export} --video {made[0].source}")


def convert(archive: Path, to: str, out: Path, video: Path | None, settings: Path | None) -> None:
    """Write one export in another tool's format.

    Raises:
        ExportError: the export cannot be read.
        DatasetError: ``gate_failed``: its tables are unsound.
        SettingsError: an unknown format, or a settings file that cannot be followed.
    """
    resolved = resolve([read_layer(settings)] if settings else []).settings
    unfinished = kept(f"{out} may hold a part: remove it before the next try")
    with unfinished, TemporaryDirectory(prefix="sam2-assets-") as scratch:
        count = write_view(dataset_of(archive, Path(scratch), video, resolved), to, out)
    print(f"{to} in {out}: {count} {VIEWS[to].records}")


def dataset_of(archive: Path, scratch: Path, video: Path | None, resolved: Settings) -> Path:
    """The instruction dataset of an export, without formats, in a folder inside ``scratch``.

    Raises:
        ExportError: the export cannot be read.
        DatasetError: ``gate_failed``: its tables are unsound.
    """
    raw, dataset = scratch / "raw", scratch / "dataset"
    raw.mkdir()
    dataset.mkdir()
    read_export(archive, raw, video=video, settings=resolved.importing)
    require_sound_tables(archive, raw, resolved.quality)
    chosen = resolved.instructions.model_dump() | {"formats": []}
    build_dataset(raw, dataset, InstructionSettings.model_validate(chosen))
    return dataset


def require_sound_tables(archive: Path, raw: Path, quality: QualitySettings) -> None:
    """Refuse an export whose tables fail a gate, as the graph does.

    Raises:
        DatasetError: ``gate_failed``, with the first finding.
    """
    findings = assess(Tables.read(raw), raw, quality, stage=Stage.INSTRUCTION_DATASET)
    for verdict in findings.stopping(Stage.INSTRUCTION_DATASET):
        raise DatasetError(
            "gate_failed",
            f"gate {verdict.check_id} failed: {verdict.examples[0] if verdict.examples else ''}",
            file=str(archive),
            remedy=verdict.remedy,
        )
