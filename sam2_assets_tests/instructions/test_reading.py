from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sam2_assets.errors import DatasetError
from sam2_assets.instructions import TASKS, InstructionSettings, build_dataset, load_samples
from sam2_assets_tests.instructions.raw_builder import VIDEO_ID, build_raw, moving_shots

OTHER_ID = "0b0b"
ALWAYS = [task for task in TASKS if task not in {"refer", "track"}]
"""Tasks that are asked of every frame."""


@pytest.fixture(scope="module")
def datasets(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two videos that share frame indices and file names."""
    folder = tmp_path_factory.mktemp("other")
    raw = build_raw(folder / "raw", moving_shots(12), video_id=OTHER_ID, size=(64, 96))
    tiny_groups = InstructionSettings(tasks=ALWAYS, formats=[], row_group_mb=0.001, shard_mb=0.03)
    build_dataset(raw, folder / "dataset", tiny_groups)
    return {VIDEO_ID: dataset, OTHER_ID: folder / "dataset"}


def write_splits(folder: Path, rows: list[tuple[str, int, str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame(rows, columns=["video_id", "frame_index", "split", "block"])
    table.to_parquet(folder / "splits.parquet")
    return folder


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    rows = [
        (VIDEO_ID, 30, "test", "t1"),
        (VIDEO_ID, 6, "test", "t0"),
        (VIDEO_ID, 0, "train", "a"),
        (OTHER_ID, 12, "test", "o"),
        (OTHER_ID, 18, "guard", "g"),
        (OTHER_ID, 24, "train", "b"),
    ]
    return write_splits(tmp_path / "splits", rows)


def test_samples_come_in_order_of_video_frame_and_task_with_their_blocks(
    splits: Path, datasets: dict[str, Path]
) -> None:
    samples = load_samples(splits, datasets, "test", tasks=ALWAYS)
    expected = [(OTHER_ID, 12, "o"), (VIDEO_ID, 6, "t0"), (VIDEO_ID, 30, "t1")]
    assert [(s.video_id, s.frame_index, s.block, s.task) for s in samples] == [
        (*frame, task) for frame in expected for task in ALWAYS
    ]
    assert [s.image().size for s in samples] == [(64, 96)] * 7 + [(96, 64)] * 14


def test_pictures_belong_to_the_frame_and_are_shared_by_its_tasks(
    raw: Path, splits: Path, datasets: dict[str, Path]
) -> None:
    samples = [s for s in load_samples(splits, datasets, "test") if s.video_id == VIDEO_ID]
    for sample in samples:
        assert sample.image_bytes == (raw / f"images/frame_{sample.frame_index:06d}.png").read_bytes()
    assert len({id(s.image_bytes) for s in samples}) == 2


def test_no_sample_is_in_two_splits_and_guards_are_in_none(splits: Path, datasets: dict[str, Path]) -> None:
    seen = {
        split: {s.sample_id for s in load_samples(splits, datasets, split, tasks=ALWAYS)}
        for split in ("train", "val", "test")
    }
    assert [len(ids) for ids in seen.values()] == [14, 0, 21]
    assert not seen["train"] & seen["test"]
    assert not any(f"{OTHER_ID}/18/" in sample for ids in seen.values() for sample in ids)


def test_tasks_can_be_chosen(splits: Path, datasets: dict[str, Path]) -> None:
    samples = load_samples(splits, datasets, "train", tasks=["main_object"])
    assert [s.sample_id for s in samples] == [f"{OTHER_ID}/24/main_object", f"{VIDEO_ID}/0/main_object"]


def refused(code: str, splits: Path, datasets: dict[str, Path], split: str, tasks: list[str] | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        load_samples(splits, datasets, split, tasks=tasks)
    assert caught.value.code == code
    return str(caught.value)


def test_missing_data_is_refused_by_name(splits: Path, datasets: dict[str, Path], tmp_path: Path) -> None:
    assert OTHER_ID in refused("dataset_missing", splits, {VIDEO_ID: datasets[VIDEO_ID]}, "test")
    refused("dataset_missing", splits, {**datasets, OTHER_ID: tmp_path}, "test")
    refused("splits_missing", tmp_path / "none", datasets, "test")
    assert "dance" in refused("task_missing", splits, datasets, "test", ["detect", "dance"])
    refused("unknown_split", splits, datasets, "guard")


def test_frames_that_the_dataset_does_not_have_are_refused(datasets: dict[str, Path], tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "s", [(VIDEO_ID, 0, "train", "a"), (VIDEO_ID, 7, "train", "a")])
    assert "[7]" in refused("frame_missing", splits, datasets, "train")


def test_a_dataset_of_another_video_is_refused(splits: Path, datasets: dict[str, Path]) -> None:
    swapped = {VIDEO_ID: datasets[OTHER_ID], OTHER_ID: datasets[VIDEO_ID]}
    refused("frame_missing", splits, swapped, "test")


def test_a_task_that_some_frames_cannot_be_asked_is_no_error(datasets: dict[str, Path], tmp_path: Path) -> None:
    """Half a second before the first frame there is none: ``track`` begins later, and that is as it was asked for."""
    splits = write_splits(tmp_path / "s", [(VIDEO_ID, 0, "train", "a"), (VIDEO_ID, 30, "test", "b")])
    only = {VIDEO_ID: datasets[VIDEO_ID]}
    assert load_samples(splits, only, "train", tasks=["track"]) == []
    assert [s.sample_id for s in load_samples(splits, only, "test", tasks=["track"])] == [f"{VIDEO_ID}/30/track"]
    refused("task_missing", splits, {VIDEO_ID: datasets[OTHER_ID]}, "train", ["track"])
