"""Reads every format of real exports with the loader of the tool it is for, and holds the result against the tables.

python scripts/check_formats.py EXPORTS_FOLDER [--tool TOOL] [--source CHECKOUT] [--only NAME]

Without ``--tool``: what is installed with this project (pycocotools, datasets, plain JSON as LLaVA and Qwen read it).
With ``llamafactory`` or ``swift``, run by the Python of a throw-away environment that has the tool beside this project;
with ``llava`` or ``qwen``, ``--source`` is a checkout of haotian-liu/LLaVA or QwenLM/Qwen3-VL. docs/datasets.md has the
commands. Nothing is trained and no text becomes tokens; their own code loads, pads, aligns and scales.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import io
import json
import os
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sam2_assets.coordinates import Convention
from sam2_assets.exports import ImportSettings, read_export
from sam2_assets.instructions import TASKS, InstructionSettings, build_dataset, write_view
from sam2_assets_tests.instructions.view_truth import Frame, Loaded, assert_mask, check_dialogues, truth_of

Truth = Mapping[int, Frame]
Check = Callable[[Path, dict[int, Frame]], dict[str, int]]


def _turns(messages: list[tuple[str, str]], picture: str) -> tuple[tuple[str, str], ...]:
    texts = [text for _, text in messages]
    assert texts[0].startswith(picture)
    texts[0] = texts[0].removeprefix(picture)
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _counted(seen: Counter[str], records: int) -> dict[str, int]:
    return {"records": records, "turns": sum(seen.values())}


def coco(view: Path, truth: Truth) -> dict[str, int]:
    """pycocotools: images, boxes, areas, and every mask decoded."""
    from pycocotools.coco import COCO

    loaded = COCO(str(view / "instances.json"))
    masks = 0
    assert {image["frame_index"] for image in loaded.loadImgs(loaded.getImgIds())} == set(truth)
    for image in loaded.loadImgs(loaded.getImgIds()):
        frame = truth[image["frame_index"]]
        assert (view / image["file_name"]).read_bytes() == frame.picture
        found = loaded.loadAnns(loaded.getAnnIds(imgIds=[image["id"]]))
        assert len(found) == len(frame.things)
        for annotation, thing in zip(found, frame.things, strict=True):
            (category,) = loaded.loadCats([annotation["category_id"]])
            assert (category["name"], annotation["object_id"]) == (thing.label, thing.object_id)
            assert (tuple(annotation["bbox"]), annotation["area"]) == (thing.box, thing.area)
            assert loaded.annToMask(annotation).shape == (frame.height, frame.width)
            assert_mask(thing, annotation["segmentation"], (frame.width, frame.height))
            masks += 1
    return {"images": len(truth), "masks": masks}


def jsonl_masks(view: Path, truth: Truth) -> dict[str, int]:
    """Plain JSON lines; masks on their own grid."""
    masks = 0
    lines = (view / "masks.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(truth)
    for entry in map(json.loads, lines):
        frame = truth[entry["frame_index"]]
        assert (view / entry["image"]).read_bytes() == frame.picture
        stated = [(o["object_id"], o["label"], tuple(o["box"]), o["rle"]["counts"]) for o in entry["objects"]]
        assert stated == [(t.object_id, t.label, t.box, t.counts) for t in frame.things]
        masks += len(stated)
    return {"frames": len(lines), "masks": masks}


def canonical(dataset: Path, truth: Truth) -> dict[str, int]:
    """datasets.load_dataset on the canonical dataset: pictures decoded, objects with boxes and masks on their grid."""
    import datasets

    rows = datasets.load_dataset(str(dataset), split="train", cache_dir=str(dataset.parent / "cache"))
    assert set(rows["frame_index"]) == set(truth)
    masks = 0
    for row in rows:
        frame = truth[row["frame_index"]]
        _assert_same_pixels(row["image"], frame)
        stated = [
            (o["object_id"], o["label"], tuple(o["box"]), o["area_px"], tuple(o["rle"]["size"]), o["rle"]["counts"])
            for o in row["objects"]
        ]
        assert stated == [(t.object_id, t.label, t.box, t.area, t.grid, t.counts) for t in frame.things]
        masks += len(stated)
    return {"frames": len(rows), "masks": masks}


def _assert_same_pixels(loaded: Any, frame: Frame) -> None:
    from PIL import Image, ImageChops

    mine = Image.open(io.BytesIO(frame.picture)).convert("RGB")
    assert loaded.size == (frame.width, frame.height)
    assert ImageChops.difference(loaded.convert("RGB"), mine).getbbox() is None


def huggingface(view: Path, truth: Truth) -> dict[str, int]:
    """datasets.load_from_disk: pictures decoded, boxes, labels and masks."""
    import datasets

    rows = datasets.load_from_disk(str(view))
    assert {row["frame_index"] for row in rows} == set(truth)
    masks = 0
    for row in rows:
        frame = truth[row["frame_index"]]
        _assert_same_pixels(row["image"], frame)
        assert [tuple(box) for box in row["bounding_boxes"]] == [t.box for t in frame.things]
        assert row["labels"] == [t.label for t in frame.things]
        for thing, counts in zip(frame.things, row["masks"], strict=True):
            assert_mask(thing, {"size": [frame.height, frame.width], "counts": counts}, (frame.width, frame.height))
            masks += 1
    return {"frames": len(rows), "masks": masks}


def llava(view: Path, truth: dict[int, Frame]) -> dict[str, int]:
    """As LLaVA's LazySupervisedDataset reads it: json.load, pictures joined to the image folder; and its masks."""
    entries = json.loads((view / "llava.json").read_text(encoding="utf-8"))
    seen: set[int] = set()
    for entry in entries:
        index = int(entry["id"].split("/")[1])
        frame = truth[index]
        assert [tuple(box) for box in entry["bounding_boxes"]] == [t.box for t in frame.things]
        assert len(entry["masks"]) == len(frame.things)
        if index in seen:
            continue
        seen.add(index)
        for thing, counts in zip(frame.things, entry["masks"], strict=True):
            assert_mask(thing, {"size": [frame.height, frame.width], "counts": counts}, (frame.width, frame.height))
    return _conversations(entries, view, truth, Convention.PADDED_UNIT_SQUARE, in_json=False)


def qwen(view: Path, truth: dict[int, Frame], convention: Convention) -> dict[str, int]:
    """As Qwen-VL's fine-tuning reads it: json.load, ``image`` joined to ``data_path``."""
    entries = json.loads((view / "qwen.json").read_text(encoding="utf-8"))
    return _conversations(entries, view, truth, convention, in_json=True)


def _conversations(
    entries: list[dict[str, Any]], view: Path, truth: dict[int, Frame], convention: Convention, *, in_json: bool
) -> dict[str, int]:
    records = [
        Loaded(
            entry["id"],
            (view / entry["image"]).read_bytes(),
            _turns([(turn["from"], turn["value"]) for turn in entry["conversations"]], "<image>\n"),
        )
        for entry in entries
    ]
    return _counted(check_dialogues(records, truth, convention, in_json=in_json), len(records))


def llamafactory(view: Path, truth: dict[int, Frame]) -> dict[str, int]:
    """LLaMA-Factory's own registry parser, loader and converter on ``dataset_info.json``."""
    os.environ["DISABLE_VERSION_CHECK"] = "1"
    # Its module for sound imports torchaudio, which has no build beside this torch. Pictures do not need it.
    silent = types.ModuleType("torchaudio")
    silent.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = silent
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import Seq2SeqTrainingArguments

    given = DataArguments(dataset_dir=str(view), media_dir=str(view), dataset="sam2_messages", overwrite_cache=True)
    model = ModelArguments(model_name_or_path="none", cache_dir=str(view.parent / "cache"))
    (registered,) = get_dataset_list(["sam2_messages"], str(view))
    rows = _load_single_dataset(registered, model, given, Seq2SeqTrainingArguments(output_dir=str(view.parent / "o")))
    # Aligned rows keep their order and lose their ids.
    names = [entry["id"] for entry in json.loads((view / "messages.json").read_text(encoding="utf-8"))]
    assert len(rows) == len(names)
    records = []
    for name, row in zip(names, rows, strict=True):
        said = [(m["role"], m["content"]) for m in [*row["_prompt"], *row["_response"]]]
        assert [role for role, _ in said] == ["user", "assistant"] * (len(said) // 2)
        (picture,) = row["_images"]
        records.append(Loaded(name, Path(picture).read_bytes(), _turns(said, "<image>")))
    return _counted(check_dialogues(records, truth, Convention.THOUSANDTHS), len(records))


def swift(view: Path, truth: dict[int, Frame]) -> dict[str, int]:
    """ms-swift's own load_dataset, picture loading, scaling of boxes to 0..1000 and writing of boxes and names."""
    from swift.dataset import load_dataset
    from swift.template.base import Template
    from swift.template.template_inputs import StdTemplateInputs

    os.environ["ROOT_IMAGE_DIR"] = str(view)
    rows, _ = load_dataset([str(view / "grounding.jsonl")], load_from_cache_file=False, strict=True)
    names = [json.loads(line)["id"] for line in (view / "grounding.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(names)
    scaler = types.SimpleNamespace(norm_bbox="norm1000")
    records = []
    for name, row in zip(names, rows, strict=True):
        inputs = StdTemplateInputs.from_dict(dict(row))
        (picture,) = inputs.images
        path = picture["path"] if isinstance(picture, dict) else picture
        data = (view / path).read_bytes()
        loaded = Template._load_image(picture if Path(path).is_absolute() else str(view / path), True)
        inputs.images = [loaded]
        Template._get_height_width(inputs)
        Template.normalize_bbox(scaler, inputs)  # type: ignore[arg-type]
        boxes, refs = iter(inputs.objects["bbox"]), iter(inputs.objects.get("ref") or [])
        said = []
        for message in inputs.messages:
            text = message["content"]
            while (at := text.find("<bbox>")) >= 0:
                text = f"{text[:at]}[{', '.join(map(str, next(boxes)))}]{text[at + 6 :]}"
            while "<ref-object>" in text:
                text = text.replace("<ref-object>", next(refs), 1)
            said.append((message["role"], text))
        assert next(boxes, None) is None
        assert next(refs, None) is None
        records.append(Loaded(name, data, _turns(said, "<image>")))
    return _counted(check_dialogues(records, truth, Convention.THOUSANDTHS), len(records))


def llava_itself(view: Path, truth: dict[int, Frame]) -> dict[str, int]:
    """LLaVA's own LazySupervisedDataset: opening, padding to a square, and moving of ``<image>`` to the front."""
    # Its models do not load with this transformers, and are not needed to read data.
    for name, content in (("llava.model", {}), ("llava.train.llava_trainer", {"LLaVATrainer": object})):
        stand_in = types.ModuleType(name)
        stand_in.__dict__.update(content, LlavaLlamaForCausalLM=object)
        sys.modules[name] = stand_in
    from llava.train import train
    from PIL import Image, ImageChops

    train.preprocess = lambda sources, tokenizer, has_image: {"input_ids": sources, "labels": [None]}
    processor = types.SimpleNamespace(
        image_mean=[0.48, 0.46, 0.41], preprocess=lambda image, return_tensors: {"pixel_values": [image]}
    )
    given = types.SimpleNamespace(
        image_folder=str(view),
        image_processor=processor,
        image_aspect_ratio="pad",
        is_multimodal=True,
        mm_use_im_start_end=False,
    )
    rows = train.LazySupervisedDataset(str(view / "llava.json"), None, given)
    records = []
    for at, entry in enumerate(rows.list_data_dict):
        read = rows[at]
        picture = (view / entry["image"]).read_bytes()
        # The square in which the view's boxes are shares of its side.
        frame = Image.open(io.BytesIO(picture)).convert("RGB")
        side = max(frame.size)
        assert read["image"].size == (side, side)
        left, top = (side - frame.width) // 2, (side - frame.height) // 2
        inside = read["image"].crop((left, top, left + frame.width, top + frame.height))
        assert ImageChops.difference(inside, frame).getbbox() is None
        said = [(turn["from"], turn["value"]) for turn in read["input_ids"]]
        assert [role for role, _ in said] == ["human", "gpt"] * (len(said) // 2)
        records.append(Loaded(entry["id"], picture, _turns(said, "<image>\n")))
    return _counted(check_dialogues(records, truth, Convention.PADDED_UNIT_SQUARE), len(records))


def qwen_itself(view: Path, truth: dict[int, Frame], convention: Convention) -> dict[str, int]:
    """Qwen's own LazySupervisedDataset and the messages that it makes of an entry."""
    from qwenvl import data
    from qwenvl.data.data_processor import LazySupervisedDataset, _build_messages

    data.data_dict["sam2"] = {"annotation_path": str(view / "qwen.json"), "data_path": str(view)}
    kind = "qwen3vl" if convention is Convention.THOUSANDTHS else "qwen2.5vl"
    given = types.SimpleNamespace(
        dataset_use="sam2", model_type=kind, min_pixels=3136, max_pixels=12_845_056, data_packing=False
    )
    processor = types.SimpleNamespace(image_processor=types.SimpleNamespace(size={}), tokenizer=None)
    rows = LazySupervisedDataset(processor, given)
    records = []
    for entry in rows.list_data_dict:
        said, pictures = [], []
        for message in _build_messages(entry, Path(entry["data_path"])):
            pictures += [part["image"] for part in message["content"] if part["type"] == "image"]
            said.append((message["role"], "".join(p["text"] for p in message["content"] if p["type"] == "text")))
        assert [role for role, _ in said] == ["user", "assistant"] * (len(said) // 2)
        (picture,) = pictures
        records.append(Loaded(entry["id"], Path(picture).read_bytes(), _turns(said, "")))
    return _counted(check_dialogues(records, truth, convention, in_json=True), len(records))


CANONICAL = "canonical dataset"
OWN: dict[str, Check] = {
    CANONICAL: canonical,
    "coco": coco,
    "jsonl_masks": jsonl_masks,
    "huggingface": huggingface,
    "llava": llava,
    "qwen": lambda view, truth: qwen(view, truth, Convention.THOUSANDTHS),
    "qwen2_5": lambda view, truth: qwen(view, truth, Convention.RESIZED_PIXELS),
}
TOOLS: dict[str, dict[str, Check]] = {
    "": OWN,
    "llamafactory": {"messages": llamafactory},
    "swift": {"grounding": swift},
    "llava": {"llava": llava_itself},
    "qwen": {
        "qwen": lambda view, truth: qwen_itself(view, truth, Convention.THOUSANDTHS),
        "qwen2_5": lambda view, truth: qwen_itself(view, truth, Convention.RESIZED_PIXELS),
    },
}


def main() -> None:
    """Check all exports of a folder; the first difference ends it with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", type=Path)
    parser.add_argument("--tool", choices=sorted(TOOLS), default="")
    parser.add_argument("--source", type=Path, help="checkout of the tool, for llava and qwen")
    parser.add_argument("--only", default="", help="exports whose name holds this")
    given = parser.parse_args()
    if given.source:
        sys.path[:0] = [str(given.source / "qwen-vl-finetune"), str(given.source)]
    asked = InstructionSettings(tasks=list(TASKS), formats=[], turns=3, languages=["en", "de", "zh"])
    total: dict[str, Counter[str]] = {}
    archives = [path for path in sorted(given.exports.glob("*.zip")) if given.only in path.name]
    for archive in archives:
        with tempfile.TemporaryDirectory() as scratch:
            raw, dataset = Path(scratch, "raw"), Path(scratch, "dataset")
            raw.mkdir()
            read_export(archive, raw, video=None, settings=ImportSettings())
            build_dataset(raw, dataset, asked)
            truth = truth_of(raw)
            for name, check in TOOLS[given.tool].items():
                view = dataset
                if name != CANONICAL:
                    view = Path(scratch, name)
                    write_view(dataset, name, view)
                counts = check(view, truth)
                total.setdefault(name, Counter()).update(counts)
                print(f"{archive.name} {name}: {counts}", flush=True)
    for name, counter in total.items():
        print(f"all {len(archives)} exports, {name}: {dict(counter)}")


if __name__ == "__main__":
    main()
