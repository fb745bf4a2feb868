"""Qwen's grounding JSON, as its fine-tuning code reads it: ``qwen.json``, answers as lists of ``bbox_2d``, ``label``.

Where the answer is JSON, the question asks for JSON in place of lines, in its own language. Two views: boxes 0..1000
for Qwen3-VL (and Qwen2-VL), and pixels of the resized picture for Qwen2.5-VL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.coordinates import Convention, model_numbers, polygon_numbers
from sam2_assets.instructions.language import reworded
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.sample import Sample, markers
from sam2_assets.instructions.views.dialogue import Write, dialogue_id, geometry_of, turns
from sam2_assets.instructions.views.files import JsonList, image_path, write_image

_TEXT_TASKS = {"count", "describe", "name"}


def _answers_in_json(convention: Convention) -> Write:
    def write(sample: Sample) -> tuple[str, str]:
        geometry = geometry_of(sample, convention)
        if sample.task in _TEXT_TASKS:
            resized = geometry.resized
            return sample.render_question(convention, resized), sample.render_answer(convention, resized)
        found: list[dict[str, Any]] = []
        for marker in markers(sample.answer):
            if marker.polygon:
                found[-1].setdefault("polygons", []).append(polygon_numbers(marker.polygon, convention, geometry))
            elif marker.index is not None:
                named = sample.objects[marker.index]
                found.append({"bbox_2d": model_numbers(named.box, convention, geometry), "label": named.label})
        lines = ",\n".join("\t" + json.dumps(each, ensure_ascii=False) for each in found)
        form = "json_outlines" if any(marker.polygon for marker in markers(sample.answer)) else "json"
        question = reworded(sample.render_request(convention, geometry.resized), sample.language, form)
        return question, f"```json\n[\n{lines}\n]\n```" if found else "```json\n[]\n```"

    return write


def records(row: Row, convention: Convention) -> list[dict[str, Any]]:
    """One entry a dialogue; ``image`` is relative to the view's folder (``data_path`` of Qwen's data list)."""
    write = _answers_in_json(convention)
    return [
        {
            "id": dialogue_id(dialogue),
            "image": image_path(row),
            "conversations": [
                {"from": role, "value": text}
                for turn in turns(dialogue, write, "<image>\n")
                for role, text in (("human", turn.question), ("gpt", turn.answer))
            ],
        }
        for dialogue in row.dialogues()
    ]


def writer(convention: Convention) -> Callable[[Iterable[Row], Sequence[str], Path], int]:
    """The writer of the view with boxes in one convention; it returns the number of entries."""

    def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
        count = 0
        with JsonList(out / "qwen.json") as entries:
            for row in rows:
                write_image(row, out)
                for record in records(row, convention):
                    entries.add(orjson.dumps(record))
                    count += 1
        return count

    return write
