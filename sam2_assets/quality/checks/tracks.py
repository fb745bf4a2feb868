"""Checks of objects over time: an object that is away for a moment, or that leaps through the picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import grouped

_LOOK = "Look at the frame in the demo: add a click where the tracker lost the object, and propagate again."


def _vanishes(context: Context) -> Iterator[Finding]:
    frames = context.frames["frame_index"].tolist()
    position = {frame: i for i, frame in enumerate(frames)}
    broken = context.objects[context.objects["mask_problem"] != ""]
    unreadable = set(zip(broken["frame_index"], broken["object_id"], strict=True))
    for (object_id,), track in grouped(context.present_objects, "object_id").items():
        for before, row in itertools.pairwise(track):
            last = position[before.frame_index]
            gap = position[row.frame_index] - last - 1
            between = frames[last + 1 : last + 1 + gap]
            # An object whose mask cannot be read is there all the same; rle_valid reports it.
            hidden = not any((frame, object_id) in unreadable for frame in between)
            if 1 <= gap <= context.settings.max_gap_frames and hidden:
                away = ", ".join(str(frame) for frame in between)
                yield Finding(
                    f"object {object_id} ({row.label}) is in frames {before.frame_index} and {row.frame_index} but not "
                    f"in {away}",
                    between[0],
                    object_id,
                    float(gap),
                )


def _jumps(context: Context) -> Iterator[Finding]:
    position = {frame: i for i, frame in enumerate(context.frames["frame_index"])}
    for (object_id,), track in grouped(context.present_objects, "object_id").items():
        for a, b in itertools.pairwise(track):
            adjacent = position[b.frame_index] == position[a.frame_index] + 1
            if not adjacent or b.time_s - a.time_s > context.settings.max_jump_seconds:
                continue
            dx = (b.mask_x + b.mask_w / 2) - (a.mask_x + a.mask_w / 2)
            dy = (b.mask_y + b.mask_h / 2) - (a.mask_y + a.mask_h / 2)
            share = math.hypot(dx, dy) / math.hypot(b.frame_w, b.frame_h)
            if share > context.settings.max_jump_share:
                yield Finding(
                    f"object {object_id} ({b.label}) moves by {share:.0%} of the frame's diagonal from frame "
                    f"{a.frame_index} to {b.frame_index}",
                    b.frame_index,
                    object_id,
                    share,
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
        meaning="Objects that leap through the picture: often the tracker went over to something else.",
        remedy=_LOOK,
        measure=_jumps,
        threshold="max_jump_share",
        pictured="sequence",
    ),
)
