from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from sam2_assets.coordinates import Convention, qwen_picture_size
from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.instructions import VIEWS, InstructionSettings, build_dataset, read_rows, write_view
from sam2_assets.instructions.language import language, languages
from sam2_assets.instructions.views.packing import pack
from sam2_assets.tables import Tables
from sam2_assets_tests.instructions.conftest import EVERYTHING
from sam2_assets_tests.instructions.raw_builder import Shot, Thing, build_raw
from sam2_assets_tests.instructions.view_truth import Frame, Loaded, assert_mask, check_dialogues, truth_of

SIZE = (96, 64)
TURNED = 3


@pytest.fixture(scope="module")
def truth(raw: Path) -> dict[int, Frame]:
    return truth_of(raw)


@pytest.fixture(scope="module", params=[1, TURNED], ids=["single turns", "dialogues"])
def formats(request: pytest.FixtureRequest, raw: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The formats of the dataset, with one question a dialogue, and with several."""
    if request.param == 1:
        return dataset / "formats"
    out = tmp_path_factory.mktemp("dialogues") / "dataset"
    build_dataset(raw, out, EVERYTHING.model_copy(update={"turns": TURNED}))
    return out / "formats"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pairs(turns: list[tuple[str, str]], asker: str, answerer: str) -> tuple[tuple[str, str], ...]:
    """Turns as question and answer; roles must alternate."""
    assert [role for role, _ in turns] == [asker, answerer] * (len(turns) // 2)
    texts = [text for _, text in turns]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def placed_once(turns: tuple[tuple[str, str], ...], placeholder: str) -> tuple[tuple[str, str], ...]:
    """The picture's placeholder begins the first question, and is nowhere else."""
    assert turns[0][0].startswith(placeholder)
    assert sum(q.count("<image>") + a.count("<image>") for q, a in turns) == 1
    return ((turns[0][0].removeprefix(placeholder), turns[0][1]), *turns[1:])


def from_value(entry: dict[str, Any], view: Path) -> Loaded:
    turns = pairs([(turn["from"], turn["value"]) for turn in entry["conversations"]], "human", "gpt")
    return Loaded(entry["id"], (view / entry["image"]).read_bytes(), placed_once(turns, "<image>\n"))


def assert_complete(seen: Counter[str], formats: Path) -> None:
    """As many turns as the dataset has conversations."""
    document = read_json(formats.parent / "dataset.json")
    assert dict(seen) == document["samples"]


def test_llava_has_the_proposals_fields_boxes_and_masks(formats: Path, truth: dict[int, Frame]) -> None:
    view = formats / "llava"
    entries = read_json(view / "llava.json")
    assert entries == read_lines(view / "llava.jsonl")
    for entry in entries:
        assert list(entry) == ["id", "image", "conversations", "masks", "bounding_boxes"]
        frame = truth[int(entry["id"].split("/")[1])]
        assert entry["bounding_boxes"] == [list(thing.box) for thing in frame.things]
        for thing, counts in zip(frame.things, entry["masks"], strict=True):
            assert_mask(thing, {"size": [frame.height, frame.width], "counts": counts}, SIZE)
    loaded = [from_value(entry, view) for entry in entries]
    assert_complete(check_dialogues(loaded, truth, Convention.PADDED_UNIT_SQUARE), formats)
    manifest = read_json(view / "manifest.json")
    assert manifest["samples"] == [{"id": entry["id"], "image": entry["image"]} for entry in entries]
    assert all((view / name).is_file() for name in manifest["dataset_files"])


def test_messages_are_what_llama_factorys_registry_says(formats: Path, truth: dict[int, Frame]) -> None:
    view = formats / "messages"
    (info,) = read_json(view / "dataset_info.json").values()
    assert info["formatting"] == "sharegpt"
    tags, columns = info["tags"], info["columns"]
    loaded = []
    for entry in read_json(view / info["file_name"]):
        messages = entry[columns["messages"]]
        assert all(set(message) == {tags["role_tag"], tags["content_tag"]} for message in messages)
        turns = pairs(
            [(message[tags["role_tag"]], message[tags["content_tag"]]) for message in messages],
            tags["user_tag"],
            tags["assistant_tag"],
        )
        (picture,) = entry[columns["images"]]
        loaded.append(Loaded(entry["id"], (view / picture).read_bytes(), placed_once(turns, "<image>")))
    assert_complete(check_dialogues(loaded, truth, Convention.THOUSANDTHS), formats)


@pytest.mark.parametrize(
    ("name", "convention"), [("qwen", Convention.THOUSANDTHS), ("qwen2_5", Convention.RESIZED_PIXELS)]
)
def test_qwen_answers_are_json_in_the_models_coordinates(
    formats: Path, truth: dict[int, Frame], name: str, convention: Convention
) -> None:
    entries = read_json(formats / name / "qwen.json")
    assert all(list(entry) == ["id", "image", "conversations"] for entry in entries)
    loaded = [from_value(entry, formats / name) for entry in entries]
    assert_complete(check_dialogues(loaded, truth, convention, in_json=True), formats)
    outlined = [answer for record in loaded for _, answer in record.turns if '"polygons"' in answer]
    assert len(outlined) == 12
    for record in loaded:
        for question, answer in record.turns:
            asked, codes = forms_in(question)
            assert asked == ({"json_outlines" if '"polygons"' in answer else "json"} if "```" in answer else {"text"})
            assert len(codes) == 1, question
    nones = [answer for record in loaded for _, answer in record.turns if answer == "```json\n[]\n```"]
    assert len(nones) == read_json(formats.parent / "dataset.json")["none_answers"]


def forms_in(question: str) -> tuple[set[str], set[str]]:
    """Which forms of an answer a question asks for, ``text`` being that of a phrasing; and in which languages."""
    found = set()
    for code in languages():
        spoken = language(code)
        found |= {(name, code) for name, form in spoken.forms.items() if question.endswith(form)}
        own = {p.form for phrasings in spoken.questions.values() for p in phrasings} - {"", *spoken.forms.values()}
        found |= {("text", code) for form in own if form in question}
    return {name for name, _ in found}, {code for _, code in found}


def test_grounding_has_ms_swifts_fields_and_a_box_for_every_placeholder(formats: Path, truth: dict[int, Frame]) -> None:
    view = formats / "grounding"
    loaded = []
    for entry in read_lines(view / "grounding.jsonl"):
        assert list(entry) == ["messages", "images", "objects", "id"]
        assert list(entry["objects"]) == ["ref", "bbox", "bbox_type"]
        assert entry["objects"]["bbox_type"] == "real"
        references, boxes = iter(entry["objects"]["ref"]), iter(entry["objects"]["bbox"])

        def placed(text: str, references: Any = references, boxes: Any = boxes) -> str:
            """As ms-swift does: placeholders are replaced one after the other, over all messages."""
            parts = text.split("<ref-object>")
            text = "".join([parts[0], *(next(references) + part for part in parts[1:])])
            parts = text.split("<bbox>")
            return "".join([parts[0], *(str(next(boxes)) + part for part in parts[1:])])

        turns = [(message["role"], placed(message["content"])) for message in entry["messages"]]
        assert list(references) == list(boxes) == []
        (picture,) = entry["images"]
        spoken = placed_once(pairs(turns, "user", "assistant"), "<image>")
        loaded.append(Loaded(entry["id"], (view / picture).read_bytes(), spoken))
        for task, (question, _) in zip(loaded[-1].tasks, spoken, strict=True):
            # The format has no outlines: it must not ask for what its answer does not give.
            assert task != "segment" or forms_in(question)[0] == {"lines"}
    # Boxes of the file are in pixels of the picture: as if the picture were resized to its own size.
    in_pixels = {index: Frame(*_as_thousandths(frame), frame.picture, frame.things) for index, frame in truth.items()}
    assert_complete(check_dialogues(loaded, in_pixels, Convention.THOUSANDTHS), formats)


def _as_thousandths(frame: Frame) -> tuple[int, int]:
    assert (frame.width, frame.height) == SIZE
    return 1000, 1000


def test_coco_tools_read_boxes_areas_and_full_size_masks(formats: Path, truth: dict[int, Frame]) -> None:
    coco = COCO(str(formats / "coco/instances.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["crate", "rocket – Größe"]
    images = coco.loadImgs(coco.getImgIds())
    assert [image["frame_index"] for image in images] == list(truth)
    for image in images:
        frame = truth[image["frame_index"]]
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert [coco.cats[a["category_id"]]["name"] for a in annotations] == [t.label for t in frame.things]
        assert [a["bbox"] for a in annotations] == [list(thing.box) for thing in frame.things]
        assert (formats / "coco" / image["file_name"]).read_bytes() == frame.picture
        for annotation, thing in zip(annotations, frame.things, strict=True):
            mask = coco.annToMask(annotation)
            assert mask.shape == (SIZE[1], SIZE[0])
            # the mask, resized from its 32x32 grid, has exactly the box of the tables
            assert coco_mask.toBbox(coco.annToRLE(annotation)).tolist() == annotation["bbox"]
            assert mask.sum() == annotation["area"] == thing.area
            assert_mask(thing, annotation["segmentation"], SIZE)


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


def test_jsonl_masks_keep_boxes_and_masks_as_the_tables_have_them(formats: Path, truth: dict[int, Frame]) -> None:
    view = formats / "jsonl_masks"
    lines = read_lines(view / "masks.jsonl")
    assert [line["frame_index"] for line in lines] == list(truth)
    for line in lines:
        frame = truth[line["frame_index"]]
        assert line["objects"] == [
            {
                "object_id": t.object_id,
                "label": t.label,
                "box": list(t.box),
                "area_px": t.area,
                "rle": {"size": list(t.grid), "counts": t.counts},
            }
            for t in frame.things
        ]
        assert (view / line["image"]).read_bytes() == frame.picture


def test_load_from_disk_opens_the_huggingface_folder_with_the_proposals_columns(
    formats: Path, truth: dict[int, Frame]
) -> None:
    rows = datasets.load_from_disk(str(formats / "huggingface"))
    assert {"image", "conversations", "masks", "bounding_boxes"} < set(rows.column_names)
    assert rows["frame_index"][:] == list(truth)
    undecoded = rows.cast_column("image", datasets.Image(decode=False))
    loaded = []
    for row, stored in zip(rows, undecoded, strict=True):
        frame = truth[row["frame_index"]]
        assert row["image"].size == SIZE
        assert row["labels"] == [thing.label for thing in frame.things]
        assert row["bounding_boxes"] == [list(thing.box) for thing in frame.things]
        for thing, counts in zip(frame.things, row["masks"], strict=True):
            assert_mask(thing, {"size": [SIZE[1], SIZE[0]], "counts": counts}, SIZE)
        turns = pairs([(turn["from"], turn["value"]) for turn in row["conversations"]], "human", "gpt")
        tasks = next(read_rows(formats.parent, frames={row["frame_index"]}, pictures=False)).conversations
        name = f"{row['id']}/{'+'.join(talk.task for talk in tasks)}"
        loaded.append(Loaded(name, stored["image"]["bytes"], placed_once(turns, "<image>\n")))
    assert_complete(check_dialogues(loaded, truth, Convention.PADDED_UNIT_SQUARE), formats)


def test_every_view_says_what_its_boxes_mean_and_holds_each_picture_once(formats: Path) -> None:
    asked = sum(read_json(formats.parent / "dataset.json")["samples"].values())
    for name in VIEWS:
        about = read_json(formats / name / "view.json")
        assert about["format"] == name
        assert about["boxes"]
        if about["records_are"] == "dialogues":
            assert about["records"] <= asked
        else:
            assert about["records"] == {"annotations": 36, "frames": 12}[about["records_are"]]
        if name != "huggingface":
            assert len(list((formats / name / "images").iterdir())) == 12


def test_dialogues_have_at_most_the_chosen_number_of_turns(raw: Path, tmp_path: Path) -> None:
    chosen = InstructionSettings(tasks=["detect", "count", "describe", "name", "locate"], turns=2, formats=["messages"])
    build_dataset(raw, tmp_path / "out", chosen)
    entries = read_json(tmp_path / "out/formats/messages/messages.json")
    assert [len(entry["messages"]) for entry in entries] == [4, 4, 2] * 12
    assert [entry["id"].split("/")[2] for entry in entries[:3]] == ["detect+count", "describe+name", "locate"]


def test_a_view_written_later_equals_the_one_written_with_the_dataset(dataset: Path, tmp_path: Path) -> None:
    for name in VIEWS:
        write_view(dataset, name, tmp_path / name)
        for path in (tmp_path / name).rglob("*"):
            if path.is_file():
                written = dataset / "formats" / name / path.relative_to(tmp_path / name)
                assert path.read_bytes() == written.read_bytes()


def test_an_archive_holds_the_folder_and_its_bytes_hang_on_the_contents_alone(dataset: Path, tmp_path: Path) -> None:
    write_view(dataset, "coco", tmp_path / "a/coco.zip")
    with zipfile.ZipFile(tmp_path / "a/coco.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        for name in names:
            assert archive.read(name) == (dataset / "formats/coco" / name).read_bytes()
        assert len(names) == 2 + 12
    code = (
        "import sys; from pathlib import Path; from sam2_assets.instructions import write_view;"
        "write_view(Path(sys.argv[1]), 'coco', Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, str(dataset), str(tmp_path / "b.zip")], check=True)
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a/coco.zip", "b.zip")}
    assert len(digests) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["coco.zip"]
    with pytest.raises(DatasetError) as caught:
        write_view(dataset, "coco", tmp_path / "b.zip")
    assert caught.value.code == "file_exists"


def test_an_archive_that_cannot_be_finished_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.json").write_text("{}")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sam2_assets.instructions.views.packing.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        pack(tmp_path / "folder", tmp_path / "out/a.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_unknown_format_names_the_known_ones(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=", ".join(VIEWS)) as caught:
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


def test_conventions_of_the_views_are_not_interchangeable(formats: Path, truth: dict[int, Frame]) -> None:
    """Guards the tests above: a file read in the wrong convention does not pass."""
    loaded = [from_value(entry, formats / "qwen") for entry in read_json(formats / "qwen/qwen.json")]
    with pytest.raises(AssertionError):
        check_dialogues(loaded, truth, Convention.RESIZED_PIXELS, in_json=True)
    moved = {index: truth[min(index + 6, 66)] for index in truth}
    with pytest.raises(AssertionError):
        check_dialogues(loaded, moved, Convention.THOUSANDTHS, in_json=True)


@settings(deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([28, 32]))
def test_pictures_are_resized_as_transformers_resizes_them(width: int, height: int, factor: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    if max(width, height) / min(width, height) > 200:
        return
    for least, most in ((3136, 12_845_056), (256 * 28 * 28, 1280 * 28 * 28)):
        expected = smart_resize(height, width, factor=factor, min_pixels=least, max_pixels=most)
        ours = qwen_picture_size((width, height), factor=factor, least_pixels=least, most_pixels=most)
        assert ours == (expected[1], expected[0])


def test_datasets_published_before_there_were_dialogues_are_still_read(raw: Path, tmp_path: Path) -> None:
    build_dataset(raw, tmp_path / "new", InstructionSettings(tasks=["detect", "count"], formats=[]))
    table = pq.read_table(tmp_path / "new/data/train-00000.parquet")
    records = table.to_pylist()
    for record in records:
        for talk in record["conversations"]:
            del talk["dialogue"], talk["language"], talk["request"]
    (tmp_path / "old/data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "old/data/train-00000.parquet")
    old, new = ([sample for row in read_rows(tmp_path / name) for sample in row.samples()] for name in ("old", "new"))
    assert old == [replace(sample, request=sample.question) for sample in new]
    assert write_view(tmp_path / "old", "messages", tmp_path / "out") == 24
    assert write_view(tmp_path / "old", "qwen", tmp_path / "json") == 24
