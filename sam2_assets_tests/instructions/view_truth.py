"""What every format must say about a video, from its tables alone, and how a format's text is compared with it.

The tests here read the formats' files field by field; ``scripts/check_formats.py`` gets the same records out of other
tools' own loaders.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from sam2_assets.coordinates import Box, Convention, ImageGeometry, qwen_picture_size, to_model
from sam2_assets.tables import Tables

TEXT_BOX = re.compile(r"(?P<label>.+) \[(?P<numbers>[^\]]+)\]")


@dataclass(frozen=True)
class Thing:
    """An object of the tables; ``mask`` is COCO RLE at the frame's size."""

    object_id: int
    label: str
    box: Box
    area: float
    counts: str
    grid: tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """A frame of the tables that has a picture and objects."""

    width: int
    height: int
    picture: bytes
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Loaded:
    """A record as a loader gives it: the picture it opened, and question and answer of every turn."""

    name: str
    picture: bytes
    turns: tuple[tuple[str, str], ...]

    @property
    def frame_index(self) -> int:
        return int(self.name.split("/")[1])

    @property
    def tasks(self) -> list[str]:
        return self.name.split("/")[2].split("+")


def truth_of(raw: Path) -> dict[int, Frame]:
    """The frames of a raw export that a dataset must hold, by index."""
    tables = Tables.read(raw)
    kept = tables.objects[~tables.objects["empty"]].sort_values(["frame_index", "object_id"])
    things: dict[int, list[Thing]] = {}
    for o in kept.itertuples():
        box = (o.box_x, o.box_y, o.box_w, o.box_h)
        things.setdefault(o.frame_index, []).append(
            Thing(o.object_id, o.label, box, o.area_px, o.rle_counts, (o.grid_h, o.grid_w))
        )
    return {
        f.frame_index: Frame(f.width, f.height, (raw / f.image).read_bytes(), tuple(things[f.frame_index]))
        for f in tables.frames.itertuples()
        if isinstance(f.image, str) and f.frame_index in things
    }


def assert_mask(thing: Thing, rle: dict[str, object], size: tuple[int, int]) -> None:
    """A full-size mask is the table's: the same runs, or, from a coarser grid, every cell where it belongs."""
    width, height = size
    assert rle["size"] == [height, width]
    if thing.grid == (height, width):
        assert rle["counts"] == thing.counts
        return
    cells = coco_mask.decode({"size": list(thing.grid), "counts": thing.counts})
    assert np.array_equal(coco_mask.decode(rle), cv2.resize(cells, size, interpolation=cv2.INTER_NEAREST))


def model_numbers(frame: Frame, box: Box, convention: Convention) -> tuple[float, ...]:
    """A table's box in a convention, not rounded."""
    size = (frame.width, frame.height)
    resized = qwen_picture_size(size) if convention is Convention.RESIZED_PIXELS else None
    return to_model(box, convention, ImageGeometry(size, resized))


def said_in_text(answer: str) -> list[tuple[str, list[float]]]:
    """Label and numbers of every line ``label [a, b, c, d]``; lines of numbers alone are outlines."""
    matches = [TEXT_BOX.fullmatch(line) for line in answer.split("\n") if not line.startswith("[")]
    return [(m["label"], [float(v) for v in m["numbers"].split(",")]) for m in matches if m]


def said_in_json(answer: str) -> list[tuple[str, list[float]]]:
    """Label and numbers of a fenced JSON list of ``bbox_2d`` and ``label``."""
    assert answer.startswith("```json\n")
    assert answer.endswith("\n```")
    return [(found["label"], found["bbox_2d"]) for found in json.loads(answer[8:-4])]


def check_dialogues(
    records: Iterable[Loaded], truth: dict[int, Frame], convention: Convention, *, in_json: bool = False
) -> Counter[str]:
    """Hold pictures, labels, boxes and counts of all records against the tables; gives the turns seen of each task.

    Boxes may differ by half of the last digit that the convention writes.
    """
    half = 0.005 if convention is Convention.PADDED_UNIT_SQUARE else 0.5
    seen: Counter[str] = Counter()
    frames: dict[str, set[int]] = {}
    for record in records:
        frame = truth[record.frame_index]
        assert record.picture == frame.picture
        assert len(record.turns) == len(record.tasks)
        for task, (question, answer) in zip(record.tasks, record.turns, strict=True):
            assert question.strip()
            assert answer.strip()
            assert "<|box" not in question + answer
            seen[task] += 1
            frames.setdefault(task, set()).add(record.frame_index)
            if task == "count":
                stated = Counter({k: int(v) for k, _, v in (ln.rpartition(": ") for ln in answer.split("\n"))})
                assert stated == Counter(thing.label for thing in frame.things)
            if task in {"detect", "main_object", "refer", "track", "segment", "locate"}:
                _check_boxes(task, said_in_json(answer) if in_json else said_in_text(answer), frame, convention, half)
    for task in ("detect", "main_object", "count"):
        assert frames.get(task, set(truth)) == set(truth), f"frames are missing from {task}"
    return seen


def _check_boxes(
    task: str, said: Sequence[tuple[str, Sequence[float]]], frame: Frame, convention: Convention, half: float
) -> None:
    stated = [(thing.label, model_numbers(frame, thing.box, convention)) for thing in frame.things]

    def same(a: tuple[str, Sequence[float]], b: tuple[str, Sequence[float]]) -> bool:
        return a[0] == b[0] and all(abs(x - y) <= half + 1e-6 for x, y in zip(a[1], b[1], strict=True))

    if task == "detect":
        assert len(said) == len(stated)
        assert all(same(a, b) for a, b in zip(said, stated, strict=True))
    assert all(any(same(a, b) for b in stated) for a in said)
    assert said or task == "locate"
