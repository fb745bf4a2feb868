"""The samples an evaluation needs: the test split with pictures, and what the training split answers without them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError
from sam2_assets.evaluation.scores import TEMPORAL_BLOCK, WHOLE_VIDEO
from sam2_assets.instructions.reading import EVIDENCE_FILE, SPLITS_FILE, load_samples
from sam2_assets.instructions.rows import read_rows
from sam2_assets.instructions.sample import Sample


def interval_unit(splits: Path) -> str:
    """What the intervals of a score must draw: whole videos where whole videos were dealt, else temporal blocks.

    Args:
        splits: folder published by ``splits``; its ``splits.json`` says how it was split.
    """
    record = json.loads((splits / EVIDENCE_FILE).read_text(encoding="utf-8"))
    return WHOLE_VIDEO if record["strategy"] == "video" else TEMPORAL_BLOCK


def spread_evenly(count: int, most: int | None) -> list[int]:
    """Indices of at most ``most`` of ``count`` items at an even stride, in order."""
    if most is None or count <= most:
        return list(range(count))
    return [index * count // most for index in range(most)]


def spread_over_tasks(tasks: Sequence[str], most: int | None) -> list[int]:
    """Indices of at most ``most`` items, evenly spread over each task; ``tasks[i]`` is the task of item ``i``.

    Striding over the items as they come would often hit one task only: every frame asks the same tasks in turn.
    """
    ordered = sorted(range(len(tasks)), key=lambda index: tasks[index])
    return sorted(ordered[index] for index in spread_evenly(len(tasks), most))


def load_test(
    splits: Path, datasets: Mapping[str, Path], tasks: Sequence[str], most: int | None
) -> tuple[list[Sample], int]:
    """The test samples to measure, and how many there are in all.

    With a cap every task keeps its share, and frames are spread over the videos.

    Args:
        splits: folder published by ``splits``.
        datasets: video id to dataset folder.
        tasks: only these; all if empty.
        most: cap; ``None`` for none.

    Raises:
        DatasetError: ``no_test_samples``, and those of ``load_samples``.
    """
    found = load_samples(splits, datasets, "test", tasks=list(tasks) or None)
    if not found:
        raise DatasetError(
            "no_test_samples",
            "the test split is empty, so nothing can be measured",
            file=SPLITS_FILE,
            field="split",
            value="test",
            remedy="Make the splits again with a larger test ratio, or give more frames.",
        )
    return [found[index] for index in spread_over_tasks([sample.task for sample in found], most)], len(found)


def load_train_answers(splits: Path, datasets: Mapping[str, Path], tasks: Sequence[str]) -> list[Sample]:
    """The training samples with empty ``image_bytes``: only their answers are counted, so no picture is read.

    Raises:
        DatasetError: of a dataset that is missing or unreadable.
    """
    table = pq.read_table(splits / SPLITS_FILE, columns=["video_id", "frame_index", "split"])
    frames: dict[str, set[int]] = {}
    for record in table.to_pylist():
        if record["split"] == "train":
            frames.setdefault(record["video_id"], set()).add(record["frame_index"])
    return [
        sample
        for video_id in sorted(frames)
        for row in read_rows(datasets[video_id], frames=frames[video_id], pictures=False)
        if row.video_id == video_id
        for sample in row.samples()
        if not tasks or sample.task in tasks
    ]
