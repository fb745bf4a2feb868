"""What differs between the export's words and the tables: the list of repairs that ``import.json`` carries."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pandas as pd

from sam2_assets.coordinates import ious
from sam2_assets.exports.document import Document
from sam2_assets.tables import Provenance

Repair = dict[str, object]
_EXAMPLES: Final = 5
# the exporter rounds seconds to three decimals
_SAME_SECOND: Final = 0.0011
_BOX: Final = ["box_x", "box_y", "box_w", "box_h"]
_DECLARED: Final = ["declared_x", "declared_y", "declared_w", "declared_h"]


def list_repairs(document: Document, objects: pd.DataFrame, fps: float, fps_origin: str) -> list[Repair]:
    """Every repair: ``what``, ``count``, ``why`` and up to five ``examples``; none for what needed no repair.

    Args:
        document: what the export states.
        objects: the objects table.
        fps: frames per second in use.
        fps_origin: ``source_video`` or ``assumed``.
    """
    found = [
        _boxes(objects),
        _areas(objects),
        _labels(objects),
        _clock(document, fps, fps_origin),
        _duration(document, fps),
        _timestamps(document, fps),
    ]
    return [repair for repair in found if repair is not None]


def _repair(what: str, count: int, why: str, examples: list[dict[str, object]]) -> Repair | None:
    return {"what": what, "count": count, "why": why, "examples": examples[:_EXAMPLES]} if count else None


def _changed(objects: pd.DataFrame, provenance: str, columns: list[str]) -> pd.DataFrame:
    """Some columns of the rows in which a field was computed anew."""
    return objects.loc[(objects[provenance] == str(Provenance.RECOMPUTED)).to_numpy(), columns]


def _boxes(objects: pd.DataFrame) -> Repair | None:
    wrong = _changed(objects, "box_provenance", ["frame_index", "object_id", *_BOX, *_DECLARED])
    used, stated = wrong[_BOX].to_numpy(np.float64), wrong[_DECLARED].to_numpy(np.float64)
    overlaps = ious(used, stated)
    why = (
        "the stated box is not the mask's (the demo's exporter writes the box of the transposed mask in grid cells); "
        f"median IoU of stated and recomputed {float(np.median(overlaps)) if len(overlaps) else 0.0:.3f}"
    )
    first = slice(_EXAMPLES)
    examples: list[dict[str, object]] = [
        {"frame_index": frame, "object_id": object_id, "stated": b, "used": a, "iou": round(overlap, 4)}
        for frame, object_id, a, b, overlap in zip(
            wrong["frame_index"].iloc[first].tolist(),
            wrong["object_id"].iloc[first].tolist(),
            used[first].tolist(),
            stated[first].tolist(),
            overlaps[first].tolist(),
            strict=True,
        )
    ]
    return _repair("box_recomputed", len(wrong), why, examples)


def _areas(objects: pd.DataFrame) -> Repair | None:
    wrong = _changed(objects, "area_provenance", ["frame_index", "object_id", "declared_area", "area_px"])
    examples: list[dict[str, object]] = [
        {"frame_index": frame, "object_id": object_id, "stated": stated, "used": used}
        for frame, object_id, stated, used in wrong[["frame_index", "object_id", "declared_area", "area_px"]]
        .head(_EXAMPLES)
        .itertuples(index=False)
    ]
    return _repair(
        "area_recomputed", len(wrong), "the stated area is not the mask's in frame pixels (but in grid cells)", examples
    )


def _labels(objects: pd.DataFrame) -> Repair | None:
    columns = ["label_raw", "label", "label_provenance"]
    wrong = objects.loc[(objects["label_provenance"] != str(Provenance.STATED)).to_numpy(), columns]
    kinds = Counter(wrong.itertuples(index=False, name=None))
    examples: list[dict[str, object]] = [
        {"stated": raw, "used": label, "how": how, "count": count} for (raw, label, how), count in sorted(kinds.items())
    ]
    return _repair("labels", len(wrong), "white space, control characters or prompt tokens, or mapped", examples)


def _clock(document: Document, fps: float, origin: str) -> Repair | None:
    if document.source_fps is None or document.source_fps == fps:
        return None
    why = "the demo's exporter always states 30; " + (
        "taken from the source video" if origin == "source_video" else "assumed, as no source video was given"
    )
    return _repair("fps", 1, why, [{"stated": document.source_fps, "used": fps}])


def _duration(document: Document, fps: float) -> Repair | None:
    used = document.total_frames / fps
    if document.duration is None or abs(document.duration - used) <= _SAME_SECOND:
        return None
    why = "computed from the number of frames and the frame rate in use"
    return _repair("duration", 1, why, [{"stated": document.duration, "used": round(used, 6)}])


def _timestamps(document: Document, fps: float) -> Repair | None:
    indices = np.array([frame.frame_index for frame in document.frames])
    stated = np.array([frame.timestamp for frame in document.frames], float)  # nan where it is not stated
    off = np.flatnonzero(~(np.abs(stated - indices / fps) <= _SAME_SECOND)).tolist()
    examples: list[dict[str, object]] = [
        {"frame_index": frame.frame_index, "stated": frame.timestamp, "used": round(frame.frame_index / fps, 6)}
        for frame in (document.frames[place] for place in off[:_EXAMPLES])
    ]
    why = "computed from the frame's index and the frame rate in use"
    return _repair("timestamps", len(off), why, examples)
