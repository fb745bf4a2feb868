"""``predictions.parquet``: every test sample with its truth and what each system answered.

Columns ``sample_id, video_id, block, frame_index, task, question, width, height, truth_text, truth_label, truth_box,
truth_objects, control_picture``, then for each of adapter, base, control and majority ``<system>_text, _label, _box,
_objects, _iou, _correct``. Boxes are ``[x, y, w, h]`` in frame pixels; ``_box`` is that of
the first object and ``_label`` the first label named, null where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError
from sam2_assets.evaluation.scores import SYSTEMS
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.measures import Answer, Located, Measures

PREDICTIONS_FILE = "predictions.parquet"
_BOX = pa.list_(pa.float64())
_OBJECTS = pa.list_(pa.struct([("label", pa.string()), ("box", _BOX)]))


@dataclass(frozen=True)
class Prediction:
    """One test sample, its truth and each system's measured answer.

    Args:
        sample: the question and the frame.
        truth_text: the true answer as the model family writes it.
        truth: the true objects.
        shown: sample id of the picture the control showed, or ``blank``.
        answers: system to answer.
        measures: system to the answer's measures.
    """

    sample: Sample
    truth_text: str
    truth: tuple[Located, ...]
    shown: str
    answers: Mapping[str, Answer]
    measures: Mapping[str, Measures]


def schema() -> pa.Schema:
    """The Arrow schema of the file."""
    texts = ("sample_id", "video_id", "block")
    fields: list[tuple[str, pa.DataType]] = [(name, pa.string()) for name in texts]
    fields += [("frame_index", pa.int64()), ("task", pa.string()), ("question", pa.string())]
    fields += [("width", pa.int64()), ("height", pa.int64()), ("truth_text", pa.string())]
    fields += [("truth_label", pa.string()), ("truth_box", _BOX), ("truth_objects", _OBJECTS)]
    fields += [("control_picture", pa.string())]
    for system in SYSTEMS:
        fields += [(f"{system}_text", pa.string()), (f"{system}_label", pa.string()), (f"{system}_box", _BOX)]
        fields += [(f"{system}_objects", _OBJECTS), (f"{system}_iou", pa.float64()), (f"{system}_correct", pa.bool_())]
    return pa.schema(fields)


def _objects(prefix: str, label: str | None, objects: Sequence[Located]) -> dict[str, Any]:
    return {
        f"{prefix}_label": label,
        f"{prefix}_box": list(objects[0].box) if objects else None,
        f"{prefix}_objects": [{"label": o.label, "box": list(o.box)} for o in objects],
    }


def _record(prediction: Prediction) -> dict[str, Any]:
    sample = prediction.sample
    record: dict[str, Any] = {
        "sample_id": sample.sample_id,
        "video_id": sample.video_id,
        "block": sample.block,
        "frame_index": sample.frame_index,
        "task": sample.task,
        "question": sample.question,
        "width": sample.width,
        "height": sample.height,
        "truth_text": prediction.truth_text,
        "control_picture": prediction.shown,
        **_objects("truth", prediction.truth[0].label if prediction.truth else None, prediction.truth),
    }
    for system in SYSTEMS:
        answer, measures = prediction.answers[system], prediction.measures[system]
        record |= _objects(system, answer.label, answer.objects)
        record[f"{system}_text"] = answer.text
        record[f"{system}_iou"] = measures.mean_iou if measures.true else None
        record[f"{system}_correct"] = measures.correct
    return record


def write_predictions(predictions: Sequence[Prediction], out: Path) -> Path:
    """Write the file into the folder ``out``; the same predictions give the same bytes."""
    path = out / PREDICTIONS_FILE
    pq.write_table(pa.Table.from_pylist([_record(p) for p in predictions], schema=schema()), path)
    return path


def read_predictions(evaluation: Path) -> list[dict[str, Any]]:
    """The rows of an evaluation's file, as plain values.

    Raises:
        DatasetError: ``predictions_unreadable``.
    """
    path = evaluation / PREDICTIONS_FILE
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(
            "predictions_unreadable",
            "no readable predictions",
            file=str(path),
            remedy="Materialize evaluation first, or give the folder that it published.",
        ) from error
    missing = [name for name in schema().names if name not in table.column_names]
    if missing:
        raise DatasetError(
            "predictions_unreadable",
            "columns are missing",
            file=str(path),
            field="columns",
            value=missing,
            remedy="The file is not an evaluation's of this version: materialize evaluation again.",
        )
    return list(table.to_pylist())
