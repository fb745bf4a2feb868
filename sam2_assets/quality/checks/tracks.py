"""Checks of each object over time: away for a moment, leaping through the picture, changing its size at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import cells, grouped, rows

_LOOK = "Look at the frame in the demo: add a click where the tracker lost the object, and propagate again."
_BESIDE_SHARE = 0.02
"""Boxes this near to each other, in diagonals of the frame, may hide each other."""
_PLACED = ["frame_index", "object_id", "mask_x", "mask_y", "mask_w", "mask_h"]
_FEWEST_FRAMES = 3
"""In two frames, one of them says nothing."""


def _vanishes(context: Context) -> Iterator[Finding]:
    steps, settings = context.steps, context.settings
    away = steps[(steps["gap"] >= 1) & (steps["gap"] <= settings.max_gap_frames)]
    frames = context.frames["frame_index"].to_numpy()
    times = dict(cells(context.frames, "frame_index", "time_s")) if len(away) else {}
    broken = context.objects[context.objects["mask_problem"] != ""]
    unreadable = set(cells(broken, "frame_index", "object_id"))
    # objects in the order in which they first appear
    order = {object_id: place for place, object_id in enumerate(context.present_objects["object_id"].unique().tolist())}
    for row in sorted(rows(away), key=lambda row: (order[row.object_id], row.position)):
        between = frames[row.position - int(row.gap) : row.position].tolist()
        # An object whose mask cannot be read is there all the same; rle_valid reports it.
        hidden = not any((frame, row.object_id) in unreadable for frame in between)
        brief = row.time_s - times[int(row.before)] <= (row.gap + 1) * settings.max_jump_seconds
        if hidden and brief:
            names = ", ".join(str(frame) for frame in between)
            yield Finding(
                f"object {row.object_id} ({row.label}) is in frames {int(row.before)} and {row.frame_index} but not "
                f"in {names}",
                between[0],
                row.object_id,
                row.gap,
            )


def _jumps(context: Context) -> Iterator[Finding]:
    steps = context.steps
    for row in rows(steps[steps["leap"] > context.settings.max_jump_share]):
        yield Finding(
            f"object {row.object_id} ({row.label}) moves by {row.moved:.0%} of the frame's diagonal from frame "
            f"{int(row.before)} to {row.frame_index}, unlike before and after",
            row.frame_index,
            row.object_id,
            row.leap,
        )


def _bursts(context: Context) -> Iterator[Finding]:
    steps = context.steps
    # What enters or leaves the frame, or comes out from behind another object, changes its visible area at once.
    inside = ~steps["at_edge"] & ~steps["was_at_edge"]
    sudden = steps[(steps["burst"] > context.settings.max_area_factor) & inside]
    if sudden.empty:
        return
    concerned = pd.concat([sudden["frame_index"], sudden["before"].astype("int64")])
    near = context.present_objects[context.present_objects["frame_index"].isin(concerned)][_PLACED]
    boxes = {frame: objects for (frame,), objects in grouped(near, "frame_index").items()}
    for row in rows(sudden):
        was = (row.was_x, row.was_y, row.was_w, row.was_h)
        now = (row.mask_x, row.mask_y, row.mask_w, row.mask_h)
        grows = now[2] * now[3] > was[2] * was[3]
        small, frame = (was, int(row.before)) if grows else (now, row.frame_index)
        margin = _BESIDE_SHARE * math.hypot(row.frame_w, row.frame_h)
        if any(_beside(small, other, margin) for other in boxes[frame] if other.object_id != row.object_id):
            continue
        yield Finding(
            f"object {row.object_id} ({row.label}) {'grows' if grows else 'shrinks'} {row.factor:.1f} times from frame "
            f"{int(row.before)} to {row.frame_index}",
            row.frame_index,
            row.object_id,
            row.burst,
        )


def _beside(box: tuple[float, float, float, float], other: Any, margin: float) -> bool:
    """The boxes overlap, or nearly touch: one of the objects may hide the other."""
    x, y, w, h = box
    return bool(
        other.mask_x < x + w + margin
        and x < other.mask_x + other.mask_w + margin
        and other.mask_y < y + h + margin
        and y < other.mask_y + other.mask_h + margin
    )


def _single(context: Context) -> Iterator[Finding]:
    if len(context.frames) < _FEWEST_FRAMES:
        return
    present = context.present_objects
    once = present[~present["object_id"].duplicated(keep=False)]
    for row in rows(once[["frame_index", "object_id", "label"]]):
        yield Finding(
            f"object {row.object_id} ({row.label}) is in frame {row.frame_index} only", row.frame_index, row.object_id
        )


CHECKS = (
    Check(
        id="object_vanishes",
        severity=Severity.WARNING,
        gates=None,
        meaning="Objects that are away for a moment and come back: hidden for that moment, or lost by the tracker.",
        remedy=_LOOK,
        measure=_vanishes,
        threshold="max_gap_frames",
        pictured="sequence",
    ),
    Check(
        id="object_jumps",
        severity=Severity.WARNING,
        gates=None,
        meaning="Objects that leap through the picture and do not merely move fast: often the tracker went over to "
        "something else.",
        remedy=_LOOK,
        measure=_jumps,
        threshold="max_jump_share",
        pictured="sequence",
    ),
    Check(
        id="area_changes_abruptly",
        severity=Severity.WARNING,
        gates=None,
        meaning="Objects that grow or shrink at once, in the open: the tracker took in, or lost, part of the scene.",
        remedy=_LOOK,
        measure=_bursts,
        threshold="max_area_factor",
        pictured="sequence",
    ),
    Check(
        id="single_frame_track",
        severity=Severity.WARNING,
        gates=None,
        meaning="Objects that are in one frame only: a click that was never propagated, or noise.",
        remedy="Propagate the object through the video in the demo, or delete it.",
        measure=_single,
        pictured="drawn",
    ),
)
