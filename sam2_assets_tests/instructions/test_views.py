from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sam2_assets.coordinates import Box, Convention, ImageGeometry, from_model, iou
from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.instructions import VIEWS, InstructionSettings, build_dataset, write_view
from sam2_assets.tables import Tables
from sam2_assets_tests.instructions.raw_builder import VIDEO_ID, Shot, Thing, build_raw

SIZE = (96, 64)
NUMBERS = re.compile(r"(?P<label>.+) \[(?P<box>[^\]]+)\]")


@pytest.fixture(scope="module")
def truth(raw: Path) -> dict[int, list[tuple[str, Box]]]:
    """Label and box of every object by frame, from the tables."""
    by_frame: dict[int, list[tuple[str, Box]]] = {}
    table = Tables.read(raw).objects
    for o in table[~table["empty"]].itertuples():
        by_frame.setdefault(o.frame_index, []).append((o.label, (o.box_x, o.box_y, o.box_w, o.box_h)))
    return by_frame


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(answer: str, convention: Convention) -> list[tuple[str, Box]]:
    """Label and frame box of each line of an answer."""
    matches = [NUMBERS.fullmatch(line) for line in answer.split("\n")]
    values = [(m["label"], [float(v) for v in m["box"].split(",")]) for m in matches if m]
    return [(label, from_model((a, b, c, d), convention, ImageGeometry(SIZE))) for label, (a, b, c, d) in values]


def assert_same(found: list[tuple[str, Box]], expected: list[tuple[str, Box]], tolerance_px: float) -> None:
    assert [label for label, _ in found] == [label for label, _ in expected]
    for (_, box), (_, other) in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            [box[0], box[1], box[0] + box[2], box[1] + box[3]],
            [other[0], other[1], other[0] + other[2], other[1] + other[3]],
            atol=tolerance_px,
        )


def assert_shows(view: Path, image: str, raw: Path, frame: int) -> None:
    assert (view / image).read_bytes() == (raw / f"images/frame_{frame:06d}.png").read_bytes()


def test_llava_boxes_are_the_tables_boxes_in_the_padded_square(
    raw: Path, dataset: Path, truth: dict[int, list[tuple[str, Box]]]
) -> None:
    view = dataset / "formats/llava"
    entries = read_json(view / "llava.json")
    assert entries == read_lines(view / "llava.jsonl")
    detect = [entry for entry in entries if entry["id"].endswith("/detect")]
    assert [entry["id"] for entry in detect] == [f"{VIDEO_ID}/{frame}/detect" for frame in truth if frame < 200]
    for entry in detect:
        frame = int(entry["id"].split("/")[1])
        human, gpt = entry["conversations"]
        assert (human["from"], gpt["from"]) == ("human", "gpt")
        assert human["value"].startswith("<image>\n")
        assert human["value"].count("<image>") == 1
        # two decimals of a square of 96 pixels
        assert_same(written(gpt["value"], Convention.PADDED_UNIT_SQUARE), truth[frame], 0.005 * 96 + 1e-9)
        assert_shows(view, entry["image"], raw, frame)


def test_messages_boxes_are_thousandths_and_llama_factory_finds_the_file(
    raw: Path, dataset: Path, truth: dict[int, list[tuple[str, Box]]]
) -> None:
    view = dataset / "formats/messages"
    (info,) = read_json(view / "dataset_info.json").values()
    entries = read_json(view / info["file_name"])
    assert len(entries) == 48
    for entry in entries:
        _, frame, task = entry["id"].split("/")
        user, assistant = entry[info["columns"]["messages"]]
        assert (user["role"], assistant["role"]) == (info["tags"]["user_tag"], info["tags"]["assistant_tag"])
        assert user["content"].count("<image>") == len(entry[info["columns"]["images"]]) == 1
        assert "<|" not in assistant["content"]
        if task == "detect":
            assert_same(written(assistant["content"], Convention.THOUSANDTHS), truth[int(frame)], 0.0005 * 96 + 1e-9)
        assert_shows(view, entry["images"][0], raw, int(frame))


def test_grounding_boxes_are_the_tables_boxes_in_the_answers_order(
    dataset: Path, truth: dict[int, list[tuple[str, Box]]]
) -> None:
    for entry in read_lines(dataset / "formats/grounding/grounding.jsonl"):
        _, frame, task = entry["id"].split("/")
        answer, boxes = entry["messages"][1]["content"], entry["objects"]["bbox"]
        assert answer.count("<bbox>") == len(boxes)
        assert "<|" not in answer
        if task == "detect":
            labels = [line.removesuffix(" <bbox>") for line in answer.split("\n")]
            found = [(label, (b[0], b[1], b[2] - b[0], b[3] - b[1])) for label, b in zip(labels, boxes, strict=True)]
            assert_same(found, truth[int(frame)], 1e-9)
        if task == "main_object":
            assert [b[2] - b[0] for b in boxes] == [max(box[2] for _, box in truth[int(frame)])]


def test_coco_tools_read_boxes_areas_and_full_size_masks(
    raw: Path, dataset: Path, truth: dict[int, list[tuple[str, Box]]]
) -> None:
    view = dataset / "formats/coco"
    coco = COCO(str(view / "instances.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["crate", "rocket – Größe"]
    assert len(coco.getImgIds()) == 12
    for image in coco.loadImgs(coco.getImgIds()):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        found = [(coco.cats[a["category_id"]]["name"], tuple(a["bbox"])) for a in annotations]
        assert found == truth[image["frame_index"]]
        for annotation in annotations:
            mask = coco.annToMask(annotation)
            assert mask.shape == (SIZE[1], SIZE[0])
            # the mask, resized from its 32x32 grid, has exactly the box of the tables
            assert coco_mask.toBbox(coco.annToRLE(annotation)).tolist() == annotation["bbox"]
            assert mask.sum() == annotation["area"]
        assert_shows(view, image["file_name"], raw, image["frame_index"])


def test_coco_keeps_a_mask_whose_grid_is_the_frame_and_resizes_uneven_grids(tmp_path: Path) -> None:
    for name, grid in (("same", (64, 96)), ("uneven", (25, 25))):
        raw = build_raw(tmp_path / f"{name}-raw", [Shot(0, [Thing(0, "cat", (3, 5, 13, 11))])], grid=grid)
        build_dataset(raw, tmp_path / name, InstructionSettings(formats=["coco"]))
        (annotation,) = read_json(tmp_path / name / "formats/coco/instances.json")["annotations"]
        (stated,) = Tables.read(raw).objects.itertuples()
        assert annotation["segmentation"]["size"] == [64, 96]
        assert (annotation["segmentation"]["counts"] == stated.rle_counts) == (name == "same")
        box = coco_mask.toBbox(annotation["segmentation"]).tolist()
        assert box == [stated.box_x, stated.box_y, stated.box_w, stated.box_h]


def test_jsonl_masks_keep_boxes_and_masks_as_the_tables_have_them(raw: Path, dataset: Path) -> None:
    view = dataset / "formats/jsonl_masks"
    table = Tables.read(raw).objects
    lines = read_lines(view / "masks.jsonl")
    assert len(lines) == 12
    for line in lines:
        of_frame = table[(table["frame_index"] == line["frame_index"]) & ~table["empty"]]
        assert [o["rle"]["counts"] for o in line["objects"]] == of_frame["rle_counts"].tolist()
        assert [o["box"] for o in line["objects"]] == of_frame[["box_x", "box_y", "box_w", "box_h"]].to_numpy().tolist()
        assert {coco_mask.decode(o["rle"]).shape for o in line["objects"]} == {(32, 32)}
        assert_shows(view, line["image"], raw, line["frame_index"])


def test_every_view_says_what_its_boxes_mean_and_holds_each_picture_once(dataset: Path) -> None:
    for name in VIEWS:
        view = dataset / "formats" / name
        about = read_json(view / "view.json")
        assert about["format"] == name
        assert about["boxes"]
        assert about["records"] == {"coco": 36, "jsonl_masks": 12}.get(name, 48)
        assert len(list((view / "images").iterdir())) == 12


def test_a_view_written_later_equals_the_one_written_with_the_dataset(dataset: Path, tmp_path: Path) -> None:
    for name in VIEWS:
        write_view(dataset, name, tmp_path / name)
        for path in (tmp_path / name).rglob("*"):
            if path.is_file():
                assert (
                    path.read_bytes() == (dataset / "formats" / name / path.relative_to(tmp_path / name)).read_bytes()
                )


def test_unknown_format_names_the_known_ones(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="llava, messages, grounding, coco, jsonl_masks") as caught:
        write_view(dataset, "yolo", tmp_path / "out")
    assert caught.value.code == "unknown_format"


def test_a_view_is_not_mixed_with_what_lies_in_the_folder(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "older.json").write_text("{}")
    with pytest.raises(DatasetError) as caught:
        write_view(dataset, "llava", tmp_path)
    assert caught.value.code == "folder_not_empty"


def test_a_folder_without_rows_or_with_other_parquet_is_refused(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        write_view(tmp_path, "llava", tmp_path / "out")
    assert caught.value.code == "dataset_missing"
    data = tmp_path / "other/data"
    data.mkdir(parents=True)
    (data / "train-00000.parquet").write_bytes((raw / "frames.parquet").read_bytes())
    with pytest.raises(DatasetError) as caught:
        write_view(tmp_path / "other", "llava", tmp_path / "out")
    assert caught.value.code == "dataset_columns"
    (data / "train-00000.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(DatasetError) as caught:
        write_view(tmp_path / "other", "llava", tmp_path / "out")
    assert caught.value.code == "dataset_unreadable"


def test_conventions_of_the_views_are_not_interchangeable(truth: dict[int, list[tuple[str, Box]]]) -> None:
    """Guards the tests above: read in the wrong convention, the same text gives another box."""
    label, box = truth[0][0]
    text = f"{label} [0.03, 0.21, 0.16, 0.27]"
    ((_, right),) = written(text, Convention.PADDED_UNIT_SQUARE)
    ((_, wrong),) = written(text, Convention.THOUSANDTHS)
    assert iou(right, box) > 0.85
    assert iou(wrong, box) == 0
