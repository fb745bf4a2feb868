"""ms-swift's grounding format: ``grounding.jsonl``, boxes in frame pixels that the trainer scales for its model.

The n-th ``<bbox>`` of an entry's messages is ``objects.bbox[n]``, the n-th ``<ref-object>`` is ``objects.ref[n]``.
Outlines are left out, and not asked for: the format has boxes and points only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sam2_assets.coordinates import Box
from sam2_assets.instructions.language import reworded
from sam2_assets.instructions.rows import Row
from sam2_assets.instructions.sample import Marker, Sample, box_marker, markers, replace_markers
from sam2_assets.instructions.views.dialogue import dialogue_id, turns
from sam2_assets.instructions.views.files import image_path, write_image

_BOX, _LABEL = "<bbox>", "<ref-object>"


def _question_and_answer(sample: Sample) -> tuple[str, str]:
    lines = []
    question = sample.question
    for line in sample.answer.split("\n"):
        found = markers(line)
        if any(marker.polygon for marker in found):
            question = reworded(sample.request, sample.language, "lines")
            continue
        for index in (marker.index for marker in found if marker.index is not None):
            label = sample.objects[index].label
            line = line.replace(f"{label} {box_marker(index)}", f"{_LABEL} {box_marker(index)}")
        lines.append(replace_markers(line, lambda marker: _BOX))
    return replace_markers(question, lambda marker: _BOX), "\n".join(lines)


def records(row: Row) -> list[dict[str, Any]]:
    """One entry a dialogue; ``bbox`` is ``[x0, y0, x1, y1]`` in pixels of the picture (``bbox_type`` ``real``)."""
    entries = []
    for dialogue in row.dialogues():
        named = [found.label for sample in dialogue for found in sample.answered_objects()]
        boxes = [
            _corners(sample, marker)
            for sample in dialogue
            for marker in markers(sample.question + sample.answer)
            if not marker.polygon
        ]
        entries.append(
            {
                "messages": [
                    {"role": role, "content": text}
                    for turn in turns(dialogue, _question_and_answer, "<image>")
                    for role, text in (("user", turn.question), ("assistant", turn.answer))
                ],
                "images": [image_path(row)],
                "objects": {"ref": named, "bbox": boxes, "bbox_type": "real"},
                "id": dialogue_id(dialogue),
            }
        )
    return entries


def _corners(sample: Sample, marker: Marker) -> list[float]:
    box: Box | None = sample.box_of(marker)
    assert box is not None
    x, y, w, h = box
    return [x, y, x + w, y + h]


def write(rows: Iterable[Row], labels: Sequence[str], out: Path) -> int:
    """Write the view; returns the number of entries."""
    count = 0
    with (out / "grounding.jsonl").open("wb") as stream:
        for row in rows:
            write_image(row, out)
            for record in records(row):
                stream.write(orjson.dumps(record) + b"\n")
                count += 1
    return count
