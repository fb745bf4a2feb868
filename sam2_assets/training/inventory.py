"""What a plan's data are: counts from the tables, without opening a picture, and hashes that decide the weights."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.rows import read_rows
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import Workload
from sam2_assets.training.families.base import ORDINARY_FRAMES, FrameSizes

_SPLITS_TABLE = "splits.parquet"
_SPLITS_REPORT = "splits.json"
_CHARACTERS_A_TOKEN = 3.0
_TEMPLATE_TOKENS = 20
_BOX_TOKENS = 24
"""A box is four numbers with brackets, about one token a character in most vocabularies."""


class DataIdentity(BaseModel):
    """Counts and hashes of the data a plan was made for; no paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    videos: list[str] = Field(description="video ids, sorted")
    dataset_sha256: dict[str, str] = Field(description="video id to the sha256 of its published dataset")
    splits_sha256: str = Field(description="of splits.parquet")
    frames: dict[str, int] = Field(description="frames of train, val and test")
    tasks: dict[str, int] = Field(description="samples of each task in the train split")
    train_samples: int = Field(description="samples trained on, after max_samples")
    val_samples: int = Field(description="samples of the validation loss")
    text_tokens: int = Field(description="estimated text tokens of an average sample")
    answer_tokens: int = Field(description="of these, the supervised ones")
    frame_sizes: dict[str, int] = Field(
        default_factory=lambda: {_named(size): count for size, count in ORDINARY_FRAMES.items()},
        description="samples of each size of frames, WIDTHxHEIGHT in pixels; plans made before there was this took one",
    )

    @property
    def frames_by_size(self) -> FrameSizes:
        """:attr:`frame_sizes` with the sides as numbers."""
        sizes = ((name.split("x"), count) for name, count in self.frame_sizes.items())
        return {(int(width), int(height)): count for (width, height), count in sizes}

    @property
    def workload(self) -> Workload:
        """The part the estimate needs."""
        return Workload(self.train_samples, self.val_samples, self.text_tokens, self.answer_tokens)


def _named(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def splits_sha256(splits: Path) -> str:
    """The sha256 of the split table's bytes.

    Raises:
        DatasetError: ``splits_missing``.
    """
    try:
        return hashlib.sha256((splits / _SPLITS_TABLE).read_bytes()).hexdigest()
    except OSError as error:
        raise _missing(splits / _SPLITS_TABLE) from error


def take_inventory(splits: Path, datasets: Mapping[str, Path], config: TrainingConfig) -> DataIdentity:
    """Count what a configuration would train on.

    Args:
        splits: folder published by ``splits``.
        datasets: video id to the folder of its instruction dataset.
        config: decides which tasks and how many samples.

    Raises:
        DatasetError: ``splits_missing``, ``dataset_missing`` or ``task_missing``.
    """
    digest = splits_sha256(splits)
    frames = _frames(splits)
    counted: dict[str, dict[str, int]] = {"train": {}, "val": {}}
    characters, answers, seen = 0.0, 0.0, 0
    asked: set[str] = set()
    sizes: Counter[tuple[int, int]] = Counter()
    videos = sorted({video for parts in frames.values() for video in parts})
    for video in videos:
        wanted = {split: frames[split].get(video, set()) for split in counted}
        if not any(wanted.values()):
            continue
        if video not in datasets:
            raise DatasetError(
                "dataset_missing",
                "the splits name a video whose dataset was not given",
                file=_SPLITS_TABLE,
                field="video_id",
                value=video,
                remedy="Give the instruction dataset that these splits were made from.",
            )
        for row in read_rows(datasets[video], frames=wanted["train"] | wanted["val"], pictures=False):
            split = "train" if row.frame_index in wanted["train"] else "val"
            for talk in row.conversations:
                asked.add(talk.task)
                if config.tasks and talk.task not in config.tasks:
                    continue
                counted[split][talk.task] = counted[split].get(talk.task, 0) + 1
                sizes[row.width, row.height] += 1
                boxes = talk.answer.count("<|box:")
                answer = len(talk.answer) / _CHARACTERS_A_TOKEN + boxes * _BOX_TOKENS + 1
                answers += answer
                characters += len(talk.question) / _CHARACTERS_A_TOKEN + answer
                seen += 1
    _refuse_absent_tasks(config, asked, splits)
    train, validation = sum(counted["train"].values()), sum(counted["val"].values())
    return DataIdentity(
        videos=videos,
        dataset_sha256=_dataset_hashes(splits),
        splits_sha256=digest,
        frames={split: sum(len(of_video) for of_video in parts.values()) for split, parts in frames.items()},
        tasks=dict(sorted(counted["train"].items())),
        train_samples=min(train, config.max_samples or train),
        val_samples=min(validation, config.max_validation_samples or validation),
        text_tokens=_TEMPLATE_TOKENS + (round(characters / seen) if seen else 0),
        answer_tokens=max(1, round(answers / seen)) if seen else 1,
        frame_sizes={_named(size): count for size, count in sorted((sizes or ORDINARY_FRAMES).items())},
    )


def _refuse_absent_tasks(config: TrainingConfig, asked: set[str], splits: Path) -> None:
    absent = sorted(set(config.tasks) - asked)
    if absent and asked:
        raise DatasetError(
            "task_missing",
            f"the datasets ask {', '.join(sorted(asked))}",
            file=str(splits / _SPLITS_TABLE),
            field="tasks",
            value=absent,
            remedy="Add the task to the instruction settings, or train without it.",
        )


def _frames(splits: Path) -> dict[str, dict[str, set[int]]]:
    path = splits / _SPLITS_TABLE
    try:
        records = pq.read_table(path, columns=["video_id", "frame_index", "split"]).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise _missing(path) from error
    frames: dict[str, dict[str, set[int]]] = {"train": {}, "val": {}, "test": {}}
    for record in records:
        if record["split"] in frames:
            frames[record["split"]].setdefault(record["video_id"], set()).add(record["frame_index"])
    return frames


def _dataset_hashes(splits: Path) -> dict[str, str]:
    path = splits / _SPLITS_REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        sources = report["sources"]
        return {source["video_id"]: source["dataset"]["sha256"] for source in sources}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise _missing(path) from error


def _missing(path: Path) -> DatasetError:
    return DatasetError(
        "splits_missing",
        "missing or not readable",
        file=str(path),
        remedy="Materialize splits first, or give the folder that it published.",
    )
