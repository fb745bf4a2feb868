from __future__ import annotations

import io
import json
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.instructions import InstructionSettings, build_dataset, read_rows
from sam2_assets.instructions.rows import features
from sam2_assets.tables import Tables
from sam2_assets_tests.instructions.conftest import EVERYTHING
from sam2_assets_tests.instructions.raw_builder import VIDEO_ID, Shot, Thing, build_raw, moving_shots

WITH_OBJECTS = [i * 6 for i in range(12)]


def load(dataset: Path, cache: Path) -> datasets.Dataset:
    return datasets.load_dataset(str(dataset), split="train", cache_dir=str(cache))


def test_load_dataset_opens_the_folder_and_gives_the_imported_pixels(raw: Path, dataset: Path, tmp_path: Path) -> None:
    rows = load(dataset, tmp_path)
    assert rows.features == features()
    assert rows["frame_index"][:] == WITH_OBJECTS
    for row in rows:
        assert isinstance(row["image"], Image.Image)
        with Image.open(raw / f"images/frame_{row['frame_index']:06d}.png") as imported:
            np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(imported))


def test_load_dataset_opens_the_parquet_files_alone(dataset: Path, tmp_path: Path) -> None:
    files = [str(path) for path in sorted((dataset / "data").glob("*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert rows.features == features()
    assert rows[0]["image"].size == (96, 64)


def test_objects_equal_the_tables_and_empty_masks_are_left_out(raw: Path, dataset: Path, tmp_path: Path) -> None:
    rows = load(dataset, tmp_path)
    table = Tables.read(raw).objects
    for row in rows:
        of_frame = table[(table["frame_index"] == row["frame_index"]) & ~table["empty"]]
        expected = [
            {
                "object_id": o.object_id,
                "label": o.label,
                "box": [o.box_x, o.box_y, o.box_w, o.box_h],
                "area_px": o.area_px,
                "rle": {"size": [o.grid_h, o.grid_w], "counts": o.rle_counts},
            }
            for o in of_frame.itertuples()
        ]
        assert row["objects"] == expected
        assert row["time_s"] == row["frame_index"] / 24


def test_dataset_json_counts_what_is_in_and_what_was_left_out(dataset: Path) -> None:
    document = json.loads((dataset / "dataset.json").read_text())
    assert document["frames"] == 12
    assert document["skipped"] == {"no_object": 1, "no_picture": 1}
    assert document["empty_objects"] == 2
    assert document["labels"] == {"crate": 24, "rocket – Größe": 12}
    assert document["main_labels"] == {"rocket – Größe": 12}
    assert document["image_origins"] == {"source_video": 12}
    assert document["settings"] == EVERYTHING.model_dump()


def test_card_has_front_matter_that_the_hub_reads(dataset: Path) -> None:
    card = huggingface_hub.DatasetCard.load(dataset / "README.md")
    assert card.data.to_dict()["configs"][0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert card.data.size_categories == ["n<1K"]
    assert "| rocket – Größe | 12 | 12 |" in card.text


def test_card_warns_when_the_answers_are_painted_into_the_pictures(tmp_path: Path) -> None:
    raw = build_raw(tmp_path / "raw", moving_shots(3), origin="export_overlay")
    build_dataset(raw, tmp_path / "out", InstructionSettings(formats=[]))
    assert "painted into the" in (tmp_path / "out/README.md").read_text()


def test_a_label_cannot_break_the_cards_table(tmp_path: Path) -> None:
    raw = build_raw(tmp_path / "raw", [Shot(0, [Thing(0, "a|b <b>", (1, 1, 5, 5))])])
    build_dataset(raw, tmp_path / "out", InstructionSettings(formats=[]))
    assert "| a\\|b &lt;b> | 1 | 1 |" in (tmp_path / "out/README.md").read_text()


def test_pictures_are_written_in_bounded_groups_and_shards_without_changing_rows(
    raw: Path, dataset: Path, tmp_path: Path
) -> None:
    size = len((raw / "images/frame_000000.png").read_bytes())
    groups_of = {"row_group_mb": 2.5 * size / 1e6, "shard_mb": 5 * size / 1e6}
    settings = EVERYTHING.model_copy(update={"formats": [], **groups_of})
    build_dataset(raw, tmp_path / "out", settings)
    files = sorted((tmp_path / "out/data").glob("*.parquet"))
    assert [path.name for path in files] == ["train-00000.parquet", "train-00001.parquet"]
    groups = [pq.ParquetFile(path).metadata.row_group(g).num_rows for path in files for g in range(2)]
    assert groups == [3, 3, 3, 3]
    assert list(read_rows(tmp_path / "out")) == list(read_rows(dataset))


def test_rows_can_be_read_without_pictures_and_by_frame(dataset: Path) -> None:
    rows = list(read_rows(dataset, frames={6, 30, 999}, pictures=False))
    assert [row.frame_index for row in rows] == [6, 30]
    assert all(row.image_bytes == b"" for row in rows)


def change(raw: Path, table: str, column: str, value: object) -> None:
    tables = Tables.read(raw)
    frame = getattr(tables, table)
    frame.loc[0, column] = value
    tables.write(raw)


@pytest.mark.parametrize(
    ("table", "column", "value", "code"),
    [
        ("frames", "width", 95, "picture_size"),
        ("frames", "image_sha256", "0" * 64, "picture_changed"),
        ("frames", "image", "images/none.png", "picture_unreadable"),
        ("frames", "video_id", "another", "video_id"),
        ("objects", "label", "a <|box:3|>", "label_token"),
        ("objects", "label", "<image>", "label_token"),
        ("objects", "label", "two\nlines", "label_token"),
    ],
)
def test_unsound_raw_exports_are_refused(tmp_path: Path, table: str, column: str, value: object, code: str) -> None:
    raw = build_raw(tmp_path / "raw", moving_shots(2))
    change(raw, table, column, value)
    with pytest.raises(DatasetError) as caught:
        build_dataset(raw, tmp_path / "out", InstructionSettings())
    assert caught.value.code == code
    assert caught.value.file


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    raw = build_raw(tmp_path / "raw", moving_shots(2))
    (raw / "images/frame_000006.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"frame_000006\.png"):
        build_dataset(raw, tmp_path / "out", InstructionSettings())


def test_video_without_any_usable_frame_is_refused(tmp_path: Path) -> None:
    raw = build_raw(tmp_path / "raw", [Shot(0, [Thing(0, "a", (1, 1, 3, 3))], picture=False)])
    with pytest.raises(DatasetError, match="no_picture") as caught:
        build_dataset(raw, tmp_path / "out", InstructionSettings())
    assert caught.value.code == "no_samples"


def test_folder_that_is_no_raw_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        build_dataset(tmp_path, tmp_path / "out", InstructionSettings())
    assert caught.value.code == "not_a_raw_export"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"tasks": []}, "no_tasks"),
        ({"tasks": ["detect", "dance"]}, "unknown_task"),
        ({"tasks": ["detect", "detect"]}, "repeated_task"),
        ({"questions": {"dance": "?"}}, "unknown_task"),
        ({"questions": {"detect": "<image> what?"}}, "bad_question"),
        ({"questions": {"detect": " "}}, "bad_question"),
        ({"questions": {"locate": "Where is it?"}}, "bad_question"),
        ({"questions": {"detect": "Where is the {label}?"}}, "bad_question"),
        ({"questions": {"name": "What is it?"}}, "bad_question"),
        ({"languages": []}, "no_languages"),
        ({"languages": ["en", "xx"]}, "unknown_language"),
        ({"languages": ["en", "en"]}, "repeated_language"),
        ({"other_labels": ["<image>"]}, "bad_label"),
        ({"formats": ["yolo"]}, "unknown_format"),
        ({"formats": ["coco", "coco"]}, "repeated_format"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused_before_anything_is_written(
    raw: Path, tmp_path: Path, settings: dict[str, object], code: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build_dataset(raw, tmp_path / "out", InstructionSettings.model_validate(settings))
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_row_pictures_are_the_files_bytes(raw: Path, dataset: Path) -> None:
    row = next(read_rows(dataset))
    assert row.image_bytes == (raw / "images/frame_000000.png").read_bytes()
    assert row.image_name == "frame_000000.png"
    assert row.samples()[0].image().size == Image.open(io.BytesIO(row.image_bytes)).size
    assert row.video_id == VIDEO_ID
