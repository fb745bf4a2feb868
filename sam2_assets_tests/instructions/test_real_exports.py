"""The same promises on real exports, through the real importer."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from pycocotools import mask as coco_mask

from sam2_assets.exports import ImportSettings, read_export
from sam2_assets.instructions import InstructionSettings, build_dataset, load_samples
from sam2_assets.splitting import Source, SplitSettings, enough_samples, no_leakage, read_splits, split
from sam2_assets.tables import Tables


@pytest.mark.parametrize(
    ("name", "video", "frames", "objects"),
    [
        # masks on the frame's own grid, clean pictures
        ("clean/davis_dog.zip", None, 20, 20),
        # 256x256 masks on 854x480 frames, which are decoded from the video
        ("demo/davis_dog.zip", "sources/davis_dog.mp4", 20, 20),
        # many objects, some with empty masks
        ("demo/camvid_0001TP_a.zip", None, 62, 367),
        # labels with prompt tokens and CJK, empty, full and tiny masks
        ("variants/v1g_HEAD_edge_cases.zip", None, 20, 45),
    ],
)
def test_real_export_becomes_a_dataset_whose_boxes_and_masks_agree(
    shared_exports: Path, tmp_path: Path, name: str, video: str | None, frames: int, objects: int
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "dataset"
    raw.mkdir()
    read_export(shared_exports / name, raw, video=shared_exports / video if video else None, settings=ImportSettings())
    summary = build_dataset(raw, out, InstructionSettings(formats=["coco", "llava"]))
    assert (summary.frames, summary.objects) == (frames, objects)
    table = Tables.read(raw).objects
    stated = table.loc[~table["empty"], ["box_x", "box_y", "box_w", "box_h"]].to_numpy().tolist()
    annotations = json.loads((out / "formats/coco/instances.json").read_text())["annotations"]
    assert [a["bbox"] for a in annotations] == stated
    # The box of the mask at full size is the box of the tables: two ways from the same runs.
    assert [coco_mask.toBbox(a["segmentation"]).tolist() for a in annotations] == stated
    rows = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == frames
    assert all(row["image"].size == (row["width"], row["height"]) for row in rows)


def test_a_real_minute_is_split_without_leak_and_read_back(shared_exports: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    read_export(shared_exports / "clean/camvid_0001TP_a.zip", tmp_path / "raw", video=None, settings=ImportSettings())
    summary = build_dataset(tmp_path / "raw", tmp_path / "dataset", InstructionSettings(formats=[]))
    source = Source(summary.video_id, "camvid", tmp_path / "dataset", {"path": "p", "sha256": "s"})
    split([source], tmp_path / "splits", SplitSettings())
    table = read_splits(tmp_path / "splits")
    assert no_leakage(table, SplitSettings()).passed
    assert enough_samples(table, SplitSettings()).passed
    read = {
        name: load_samples(tmp_path / "splits", {summary.video_id: tmp_path / "dataset"}, name)
        for name in ("train", "val", "test")
    }
    # Two frames of train look like frames of val or test, and are dropped.
    assert {name: len(samples) for name, samples in read.items()} == {"train": 96, "val": 12, "test": 12}
    assert len({sample.block for sample in read["test"]}) >= 3
