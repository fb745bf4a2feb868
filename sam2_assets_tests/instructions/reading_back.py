"""Reads every answer of a row back, by rules of its own, and holds it against the row's objects.

Nothing an answer says may be left unread: a line that fits no rule fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from sam2_assets.instructions import RowObject
from sam2_assets.instructions.language import Language, fill, language
from sam2_assets.instructions.rows import Conversation

LINE = re.compile(r"(?P<label>.+) <\|box:(?P<index>\d+)\|>")
POLYGON = re.compile(r"<\|polygon:(?P<numbers>[\d.,]+)\|>")
BOXED = {"detect", "main_object", "locate", "refer", "track", "segment"}


def read_back(
    talk: Conversation, objects: Sequence[RowObject], size: tuple[int, int], codes: Sequence[str]
) -> list[int]:
    """Indices of the objects whose boxes the answer names, in its order; fails if it says anything untrue."""
    assert "<|" not in re.sub(r"<\|box:\d+(,?[\d.]+)*\|>|<\|polygon:[\d.,]+\|>", "", talk.question + talk.answer)
    if talk.task in BOXED:
        return _boxed(talk, objects, size, codes)
    if talk.task == "count":
        lines = [line.rpartition(": ") for line in talk.answer.split("\n")]
        assert [(label, int(number)) for label, _, number in lines] == sorted(Counter(o.label for o in objects).items())
    elif talk.task == "describe":
        words = [language(code).places for code in codes]
        lines = [line.rpartition(": ") for line in talk.answer.split("\n")]
        assert [label for label, _, _ in lines] == [o.label for o in objects]
        assert any(
            all(said == places[_ninth(o, size)] for (_, _, said), o in zip(lines, objects, strict=True))
            for places in words
        )
    else:
        assert talk.task == "name"
        (index,) = re.findall(r"<\|box:(\d+)\|>", talk.question)
        assert objects[int(index)].label == talk.answer
    return []


def _ninth(o: RowObject, size: tuple[int, int]) -> str:
    x, y = (o.box[0] + o.box[2] / 2) / size[0], (o.box[1] + o.box[3] / 2) / size[1]
    row = "upper" if y < 1 / 3 else "middle" if y < 2 / 3 else "lower"
    return f"{row}_{'left' if x < 1 / 3 else 'centre' if x < 2 / 3 else 'right'}"


def _boxed(talk: Conversation, objects: Sequence[RowObject], size: tuple[int, int], codes: Sequence[str]) -> list[int]:
    if talk.task == "locate" and talk.answer in {language(code).none for code in codes}:
        assert not any(_asks(talk, o.label, codes) for o in objects), "none, though the frame shows it"
        return []
    named: list[int] = []
    outlined: dict[int, list[list[float]]] = {}
    for line in talk.answer.split("\n"):
        if (match := LINE.fullmatch(line)) is not None:
            named.append(int(match["index"]))
            assert objects[named[-1]].label == match["label"]
        else:
            match = POLYGON.fullmatch(line)
            assert match is not None, line
            assert talk.task == "segment"
            outlined.setdefault(named[-1], []).append([float(v) for v in match["numbers"].split(",")])
    assert len(set(named)) == len(named) > 0
    if talk.task in {"locate", "segment"}:
        label = objects[named[0]].label
        assert _asks(talk, label, codes)
        assert named == [i for i, o in enumerate(objects) if o.label == label]
    if talk.task in {"main_object", "refer", "track"}:
        assert len(named) == 1
    for index, polygons in outlined.items():
        assert outline_iou(objects[index], polygons, size) > 0.5
    return named


def _asks(talk: Conversation, label: str, codes: Sequence[str]) -> bool:
    spoken: list[Language] = [language(code) for code in codes]
    variants = [v for one in spoken for name in (talk.task, "segment_outlines") for v in one.questions[name]]
    return any(fill(variant.text, {"label": label}) == talk.question for variant in variants)


def outline_iou(found: RowObject, polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> float:
    """Overlap of an object's mask with its outlines, filled on a grid of eight times the mask's."""
    mask = coco_mask.decode({"size": list(found.grid), "counts": found.rle_counts})
    fine = mask.repeat(8, axis=0).repeat(8, axis=1)
    scale = np.array([fine.shape[1] / size[0], fine.shape[0] / size[1]])
    scaled = [(np.array(polygon).reshape(-1, 2) * scale).ravel().tolist() for polygon in polygons]
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(scaled, *fine.shape)))
    both = np.logical_and(fine, drawn).sum()
    return float(both / np.logical_or(fine, drawn).sum())
