"""Training and evaluation read their samples here: the splits say which frames, the datasets hold them. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.rows import SUMMARY_FILE, read_rows
from sam2_assets.instructions.sample import Sample

SPLITS_FILE = "splits.parquet"
EVIDENCE_FILE = "splits.json"
"""The two files of a splits folder. Their names stand here because the server reads them without `splitting`."""
_SPLITS = ("train", "val", "test")


def _frames_of(splits: Path, split: str) -> dict[str, dict[int, str]]:
    """Video id to frame index to block, of one split."""
    path = splits / SPLITS_FILE
    try:
        table = pq.read_table(path, columns=["video_id", "frame_index", "split", "block"])
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise DatasetError(
            "splits_missing",
            "no readable split table",
            file=str(path),
            remedy="Materialize splits first, or give the folder that it published.",
        ) from error
    chosen: dict[str, dict[int, str]] = {}
    for record in table.to_pylist():
        if record["split"] == split:
            chosen.setdefault(record["video_id"], {})[record["frame_index"]] = record["block"]
    return chosen


def asked_tasks(dataset: Path) -> list[str]:
    """The tasks that a dataset was built to ask; of one without ``dataset.json``, those that it asks."""
    summary = dataset / SUMMARY_FILE
    if summary.is_file():
        return list(orjson.loads(summary.read_bytes())["samples"])
    return sorted({talk.task for row in read_rows(dataset, pictures=False) for talk in row.conversations})


def _refuse_absent(tasks: set[str], folder: Path) -> None:
    """Refuse tasks that none of the frames asks, unless the dataset was to ask them and could not of these frames."""
    if not tasks:
        return
    asked = asked_tasks(folder)
    for task in sorted(tasks - set(asked)):
        raise DatasetError(
            "task_missing",
            f"the dataset asks {', '.join(asked)}",
            file=str(folder),
            field="tasks",
            value=task,
            remedy="Add the task to the instruction settings of this video, or train without it.",
        )


def load_samples(
    splits: Path, datasets: Mapping[str, Path], split: str, *, tasks: list[str] | None = None
) -> list[Sample]:
    """The samples of one split, ordered by video id, frame index and the dataset's order of tasks.

    The samples of a frame share one copy of its picture's bytes; only the pictures of this split are kept.

    Args:
        splits: folder published by ``splits``.
        datasets: video id to the folder of its instruction dataset.
        split: ``train``, ``val`` or ``test``. May be empty: then so is the list.
        tasks: only these tasks; all of them if ``None``.

    Raises:
        DatasetError: ``unknown_split``, ``splits_missing``, ``dataset_missing`` (also when ``datasets`` lacks a
            video), ``frame_missing``, ``task_missing``.
    """
    if split not in _SPLITS:
        raise DatasetError(
            "unknown_split", "no such split", field="split", value=split, remedy=f"Choose from: {', '.join(_SPLITS)}."
        )
    samples: list[Sample] = []
    for video_id, blocks in sorted(_frames_of(splits, split).items()):
        if video_id not in datasets:
            raise DatasetError(
                "dataset_missing",
                "the splits name a video whose dataset was not given",
                file=SPLITS_FILE,
                field="video_id",
                value=video_id,
                remedy="Give the instruction dataset that these splits were made from (splits.json names it).",
            )
        folder = datasets[video_id]
        found: set[int] = set()
        available: set[str] = set()
        for row in sorted(
            (row for row in read_rows(folder, frames=blocks) if row.video_id == video_id), key=lambda r: r.frame_index
        ):
            found.add(row.frame_index)
            of_row = row.samples(blocks[row.frame_index])
            available.update(sample.task for sample in of_row)
            samples += [sample for sample in of_row if tasks is None or sample.task in tasks]
        _refuse_absent(set(tasks or ()) - available, folder)
        missing = sorted(set(blocks) - found)
        if missing:
            raise DatasetError(
                "frame_missing",
                f"the splits name {len(missing)} frames that are not in the dataset",
                file=str(folder),
                field="frame_index",
                value=missing[:5],
                remedy="Splits and dataset are of different runs: give the dataset that splits.json names.",
            )
    return samples
