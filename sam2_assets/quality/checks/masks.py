"""Checks of single masks: their runs, and whether box and area say the same as the mask."""

from __future__ import annotations

from collections.abc import Iterator

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
    for row in rows(context.sound_objects):
        off = max(
            abs(row.box_x - row.mask_x),
            abs(row.box_y - row.mask_y),
            abs(row.box_x + row.box_w - row.mask_x - row.mask_w),
            abs(row.box_y + row.box_h - row.mask_y - row.mask_h),
        )
        if off > context.settings.box_tolerance_px:
            yield Finding(
                f"frame {row.frame_index}, object {row.object_id} ({row.label}): an edge of the box lies {off:.1f} px "
                "from the mask's",
                row.frame_index,
                row.object_id,
                off,
            )


def _areas_match(context: Context) -> Iterator[Finding]:
    for row in rows(context.sound_objects):
        # Two honest ways to count frame pixels of a coarser mask: enlarge it and count, or scale the count of cells.
        low, high = sorted((row.mask_area_nearest, row.mask_area_scaled))
        off = max(low - row.area_px, row.area_px - high, 0.0) / max(high, 1.0)
        where = f"frame {row.frame_index}, object {row.object_id} ({row.label})"
        if off > context.settings.area_tolerance:
            yield Finding(
                f"{where}: the area is given as {row.area_px:.0f} px, the mask has {row.mask_area_nearest:.0f}",
                row.frame_index,
                row.object_id,
                off,
            )
        elif bool(row.empty) is bool(row.present):
            state = "empty" if row.empty else "not empty"
            yield Finding(
                f"{where}: marked {state}, the mask has {row.mask_area_nearest:.0f} px", row.frame_index, row.object_id
            )


def _empty(context: Context) -> Iterator[Finding]:
    for row in rows(context.sound_objects[~context.sound_objects["present"]]):
        yield Finding(
            f"frame {row.frame_index}: the mask of object {row.object_id} ({row.label}) is empty",
            row.frame_index,
            row.object_id,
        )


def _whole_frame(context: Context) -> Iterator[Finding]:
    for row in rows(context.present_objects):
        share = row.mask_area_scaled / (row.frame_w * row.frame_h)
        if share >= context.settings.whole_frame_share:
            yield Finding(
                f"frame {row.frame_index}: object {row.object_id} ({row.label}) covers {share:.0%} of the frame",
                row.frame_index,
                row.object_id,
                share,
            )


def _specks(context: Context) -> Iterator[Finding]:
    for row in rows(context.present_objects):
        share = row.mask_area_scaled / (row.frame_w * row.frame_h)
        if share < context.settings.speck_share:
            yield Finding(
                f"frame {row.frame_index}: object {row.object_id} ({row.label}) has only {row.mask_area_nearest:.0f} "
                f"of the frame's {row.frame_w * row.frame_h} px",
                row.frame_index,
                row.object_id,
                share,
            )


CHECKS = (
    Check(
        id="rle_valid",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="The run lengths of every mask can be read and add up to its grid.",
        remedy="Export the video again; the mask in the file is damaged.",
        measure=_runs,
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
        pictured=True,
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
        pictured=True,
    ),
    Check(
        id="whole_frame_mask",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks that cover nearly the whole frame: usually the tracker took the background.",
        remedy="Add a negative click on the background in the demo and propagate again, or remove the object.",
        measure=_whole_frame,
        threshold="whole_frame_share",
        pictured=True,
    ),
    Check(
        id="speck",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks of a few pixels: often what is left of a lost object, and too small for a model to see.",
        remedy="Remove the object where it is no longer visible, or lower speck_share if the objects are this small.",
        measure=_specks,
        threshold="speck_share",
        pictured=True,
    ),
)
