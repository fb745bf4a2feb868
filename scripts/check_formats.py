"""Reads every format of real exports with the loader of the tool it is for, and holds the result against the tables.

python scripts/check_formats.py EXPORTS_FOLDER [--tool llamafactory | --tool swift] [--only NAME]

Without ``--tool``: what is installed with this project (pycocotools, datasets, plain JSON as LLaVA and Qwen read it).
With it, run by the Python of a throw-away environment that has LLaMA-Factory or ms-swift beside this project:
docs/datasets.md says how to make one. Nothing is trained; their own code loads, aligns and, in ms-swift, scales boxes.
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


def huggingface(view: Path, truth: Truth) -> dict[str, int]:
    """datasets.load_from_disk: pictures decoded, boxes, labels and masks."""
    import datasets
    from PIL import Image, ImageChops

    rows = datasets.load_from_disk(str(view))
    assert {row["frame_index"] for row in rows} == set(truth)
    masks = 0
    for row in rows:
        frame = truth[row["frame_index"]]
        mine = Image.open(io.BytesIO(frame.picture)).convert("RGB")
        assert ImageChops.difference(row["image"].convert("RGB"), mine).getbbox() is None
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


OWN: dict[str, Check] = {
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
}


def main() -> None:
    """Check all exports of a folder; the first difference ends it with a traceback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", type=Path)
    parser.add_argument("--tool", choices=sorted(TOOLS), default="")
    parser.add_argument("--only", default="", help="exports whose name holds this")
    given = parser.parse_args()
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
                write_view(dataset, name, Path(scratch, name))
                counts = check(Path(scratch, name), truth)
                total.setdefault(name, Counter()).update(counts)
                print(f"{archive.name} {name}: {counts}", flush=True)
    for name, counter in total.items():
        print(f"all {len(archives)} exports, {name}: {dict(counter)}")


if __name__ == "__main__":
    main()
