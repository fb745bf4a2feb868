"""Checks that report what the importer had to decide or repair; they never fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from sam2_assets.coordinates import ious
from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Facts, Finding, Severity
from sam2_assets.quality.rows import cells, rows
from sam2_assets.tables import Provenance

_FEWEST_OBJECTS = 3
"""Of fewer, equal confidences may be chance."""
_ROWS_AT_ONCE = 1000
_DIFFERS = (
    "frame {}, object {} ({}): the export says [{:g}, {:g}, {:g}, {:g}], the mask [{:g}, {:g}, {:g}, {:g}] (IoU {:.2f})"
)
_NAMED = ["frame_index", "object_id", "label"]
_BOX = ["box_x", "box_y", "box_w", "box_h"]
_DECLARED = ["declared_x", "declared_y", "declared_w", "declared_h"]


def _declared_boxes(context: Context) -> Facts:
    return _recomputed(context, "box_provenance", [*_NAMED, *_DECLARED, *_BOX], _other_boxes)


def _other_boxes(repaired: pd.DataFrame) -> Iterator[Finding]:
    declared, used = repaired[_DECLARED].to_numpy(np.float64), repaired[_BOX].to_numpy(np.float64)
    for (frame_index, object_id, label), stated, box, overlap in zip(
        cells(repaired, "frame_index", "object_id", "label"),
        declared.tolist(),
        used.tolist(),
        ious(declared, used).tolist(),
        strict=True,
    ):
        yield Finding(
            _DIFFERS.format(frame_index, object_id, label, *stated, *box, overlap),
            frame_index,
            object_id,
            overlap,
        )


def _declared_areas(context: Context) -> Facts:
    return _recomputed(context, "area_provenance", [*_NAMED, "declared_area", "area_px"], _other_areas)


def _other_areas(repaired: pd.DataFrame) -> Iterator[Finding]:
    for row in rows(repaired):
        yield Finding(
            f"frame {row.frame_index}, object {row.object_id} ({row.label}): the export says {row.declared_area:g}, "
            f"the mask has {row.area_px:g} px",
            row.frame_index,
            row.object_id,
            row.declared_area,
        )


def _recomputed(
    context: Context, provenance: str, columns: list[str], said: Callable[[pd.DataFrame], Iterator[Finding]]
) -> Facts:
    """What is ``said`` of the objects with a field that was computed anew, as far as anybody asks for it."""
    table = context.objects[columns]
    places = np.flatnonzero((context.objects[provenance] == str(Provenance.RECOMPUTED)).to_numpy())
    parts = (table.iloc[places[low : low + _ROWS_AT_ONCE]] for low in range(0, len(places), _ROWS_AT_ONCE))
    return Facts(len(places), itertools.chain.from_iterable(map(said, parts)))


def _confidence(context: Context) -> Iterator[Finding]:
    stated = context.objects["confidence"].dropna()
    if len(stated) >= _FEWEST_OBJECTS and stated.nunique() == 1:
        yield Finding(f"all {len(stated)} objects have the confidence {stated.iloc[0]:g}", value=float(stated.iloc[0]))


def _frame_rate(context: Context) -> Iterator[Finding]:
    video = context.import_record["video"]
    if video.get("fps_origin") == "assumed":
        yield Finding(f"times are counted at an assumed {video['fps']:g} frames a second", value=float(video["fps"]))


CHECKS = (
    Check(
        id="declared_box_differs",
        severity=Severity.INFO,
        gates=None,
        meaning="Boxes that the export states otherwise than its masks; the masks' boxes are used.",
        remedy="Nothing to do: the demo writes transposed boxes in 256ths of the frame, and the importer repairs them.",
        measure=_declared_boxes,
    ),
    Check(
        id="declared_area_differs",
        severity=Severity.INFO,
        gates=None,
        meaning="Areas that the export states otherwise than its masks; the masks' areas are used.",
        remedy="Nothing to do: the demo counts cells of the mask's grid, and the importer counts frame pixels.",
        measure=_declared_areas,
    ),
    Check(
        id="constant_confidence",
        severity=Severity.INFO,
        gates=None,
        meaning="One confidence for all objects says nothing about any; it is not used.",
        remedy="Nothing to do: the demo writes the constant 0.95.",
        measure=_confidence,
    ),
    Check(
        id="assumed_frame_rate",
        severity=Severity.INFO,
        gates=None,
        meaning="The export does not say the video's true frame rate, so that times rest on an assumption.",
        remedy="Put the source video beside the export, or set the frame rate in the import settings.",
        measure=_frame_rate,
    ),
)
