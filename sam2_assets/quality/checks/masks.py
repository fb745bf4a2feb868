"""Checks of single masks: their runs, and whether box and area say the same as the mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.rows import rows

_REIMPORT = "Import the export again, so that box and area are computed from the mask."


def _runs(context: Context) -> Iterator[Finding]:
    broken = context.objects[context.objects["mask_problem"] != ""]
    for row in rows(broken):
        yield Finding(
            f"frame {row.frame_index}, object {row.object_id}: {row.mask_problem}", row.frame_index, row.object_id
        )


def _boxes_in_frame(context: Context) -> Iterator[Finding]:
    objects = context.objects
    beyond_x = objects["box_x"] + objects["box_w"] - objects["frame_w"]
    beyond_y = objects["box_y"] + objects["box_h"] - objects["frame_h"]
    beyond = beyond_x.where(beyond_x > beyond_y, beyond_y)
    # The mask's tolerance does not apply: a box is cut at the frame's edge, only float noise is forgiven.
    outside = beyond > 1e-6
    for row, excess in zip(rows(objects[outside]), beyond[outside], strict=True):
        yield Finding(
            f"frame {row.frame_index}, object {row.object_id} ({row.label}): the box reaches {excess:.1f} px beyond "
            f"the frame of {row.frame_w} x {row.frame_h}",
            row.frame_index,
            row.object_id,
            float(excess),
        )


def _boxes_match(context: Context) -> Iterator[Finding]:
    objects = context.sound_objects
    box, mask = (objects[[f"{kind}_{name}" for name in "xywh"]].to_numpy() for kind in ("box", "mask"))
    low, high = abs(box[:, :2] - mask[:, :2]), abs(box[:, :2] + box[:, 2:] - mask[:, :2] - mask[:, 2:])
    off = pd.Series(np.maximum(low, high).max(axis=1, initial=0.0), index=objects.index)
    wrong = off > context.settings.box_tolerance_px
    for row, most in zip(rows(objects[wrong]), off[wrong].tolist(), strict=True):
        yield Finding(
            f"frame {row.frame_index}, object {row.object_id} ({row.label}): an edge of the box lies {most:.1f} px "
            "from the mask's",
            row.frame_index,
            row.object_id,
            most,
        )


def _areas_match(context: Context) -> Iterator[Finding]:
    objects = context.sound_objects
    # Two honest ways to count frame pixels of a coarser mask: enlarge it and count, or scale the count of cells.
    areas = objects[["mask_area_nearest", "mask_area_scaled"]]
    low, high = areas.min(axis=1), areas.max(axis=1)
    share = pd.concat([low - objects["area_px"], objects["area_px"] - high], axis=1).max(axis=1) / high.clip(lower=1.0)
    wrong = (share > context.settings.area_tolerance) | (objects["empty"] == objects["present"])
    for row, off in zip(rows(objects[wrong]), share[wrong].tolist(), strict=True):
        where = f"frame {row.frame_index}, object {row.object_id} ({row.label})"
        if off > context.settings.area_tolerance:
            yield Finding(
                f"{where}: the area is given as {row.area_px:.0f} px, the mask has {row.mask_area_nearest:.0f}",
                row.frame_index,
                row.object_id,
                off,
            )
        else:
            state = "empty" if row.empty else "not empty"
            yield Finding(
                f"{where}: marked {state}, the mask has {row.mask_area_nearest:.0f} px", row.frame_index, row.object_id
            )


def _empty(context: Context) -> Iterator[Finding]:
    sound = context.sound_objects[["frame_index", "object_id", "label", "present"]]
    for row in rows(sound[~sound["present"]]):
        yield Finding(
            f"frame {row.frame_index}: the mask of object {row.object_id} ({row.label}) is empty",
            row.frame_index,
            row.object_id,
        )


def _whole_frame(context: Context) -> Iterator[Finding]:
    share = _shares(context.present_objects)
    large = share >= context.settings.whole_frame_share
    for row, covered in zip(rows(context.present_objects[large]), share[large].tolist(), strict=True):
        yield Finding(
            f"frame {row.frame_index}: object {row.object_id} ({row.label}) covers {covered:.0%} of the frame",
            row.frame_index,
            row.object_id,
            covered,
        )


def _specks(context: Context) -> Iterator[Finding]:
    share = _shares(context.present_objects)
    small = share < context.settings.speck_share
    for row, covered in zip(rows(context.present_objects[small]), share[small].tolist(), strict=True):
        yield Finding(
            f"frame {row.frame_index}: object {row.object_id} ({row.label}) has only {row.mask_area_nearest:.0f} "
            f"of the frame's {row.frame_w * row.frame_h} px",
            row.frame_index,
            row.object_id,
            covered,
        )


def _shares(objects: pd.DataFrame) -> pd.Series[float]:
    """Share of its frame that each mask covers."""
    return objects["mask_area_scaled"] / (objects["frame_w"] * objects["frame_h"])


CHECKS = (
    Check(
        id="rle_valid",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="The run lengths of every mask can be read and add up to its grid.",
        remedy="Export the video again; the mask in the file is damaged.",
        measure=_runs,
        waivable=False,
    ),
    Check(
        id="box_in_frame",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="No box reaches beyond its frame; a model cannot be taught to point outside the picture.",
        remedy=_REIMPORT,
        measure=_boxes_in_frame,
    ),
    Check(
        id="box_matches_mask",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="Every box is the box of its mask; boxes from elsewhere teach wrong places.",
        remedy=_REIMPORT,
        measure=_boxes_match,
        threshold="box_tolerance_px",
        pictured="drawn",
    ),
    Check(
        id="area_matches_mask",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="Every area is its mask's in frame pixels, and a mask is marked empty exactly if it is.",
        remedy=_REIMPORT,
        measure=_areas_match,
        threshold="area_tolerance",
    ),
    Check(
        id="empty_mask",
        severity=Severity.WARNING,
        gates=None,
        meaning="Objects whose mask has no pixel; they are not asked about.",
        remedy="Look whether the tracker lost the object there: add a click on it in the demo and propagate again.",
        measure=_empty,
        pictured="drawn",
    ),
    Check(
        id="whole_frame_mask",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks that cover nearly the whole frame: usually the tracker took the background.",
        remedy="Add a negative click on the background in the demo and propagate again, or remove the object.",
        measure=_whole_frame,
        threshold="whole_frame_share",
        pictured="drawn",
    ),
    Check(
        id="speck",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks of a few pixels: often what is left of a lost object, and too small for a model to see.",
        remedy="Remove the object where it is no longer visible, or lower speck_share if the objects are this small.",
        measure=_specks,
        threshold="speck_share",
        pictured="drawn",
    ),
)
