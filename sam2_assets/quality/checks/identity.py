"""Checks that an id stays with its object: two objects that change places, an id that comes back as something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sam2_assets.coordinates import iou
from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import grouped, rows


def _switches(context: Context) -> Iterator[Finding]:
    steps, least = context.steps, context.settings.switch_iou
    # Only objects that left their own box can have gone over to another's.
    moved = steps[steps["overlap"] < least].sort_values(["frame_index", "object_id"], kind="stable")
    for (frame_index,), candidates in grouped(moved, "frame_index").items():
        for i, a in enumerate(candidates):
            for b in candidates[i + 1 :]:
                if a.before != b.before:
                    continue
                overlap = min(iou(_box(a), _box_before(b)), iou(_box(b), _box_before(a)))
                if overlap >= least:
                    yield Finding(
                        f"objects {a.object_id} ({a.label}) and {b.object_id} ({b.label}) change places from frame "
                        f"{int(a.before)} to {frame_index}",
                        frame_index,
                        b.object_id,
                        overlap,
                    )


def _box(row: Any) -> tuple[float, float, float, float]:
    return row.mask_x, row.mask_y, row.mask_w, row.mask_h


def _box_before(row: Any) -> tuple[float, float, float, float]:
    return row.was_x, row.was_y, row.was_w, row.was_h


def _reused(context: Context) -> Iterator[Finding]:
    steps, settings = context.steps, context.settings
    long = steps[steps["gap"] > settings.max_gap_frames]
    for row in rows(long):
        # An object may leave the frame and come back elsewhere, and may come nearer meanwhile.
        in_the_open = not row.at_edge and not row.was_at_edge
        if row.label != row.was_label:
            what = f"as {row.label!r}"
        elif in_the_open and row.moved > settings.max_jump_share:
            what = f"{row.moved:.0%} of the frame's diagonal away"
        else:
            continue
        yield Finding(
            f"object {row.object_id} ({row.was_label}) is away after frame {int(row.before)} and comes back in frame "
            f"{row.frame_index} {what}",
            row.frame_index,
            row.object_id,
            row.moved,
        )


CHECKS = (
    Check(
        id="identity_switch",
        severity=Severity.WARNING,
        gates=None,
        meaning="Two objects that change places from one frame to the next: the tracker mixed them up.",
        remedy="Look at the frame in the demo: add clicks on both objects there, and propagate again.",
        measure=_switches,
        threshold="switch_iou",
        pictured="sequence",
    ),
    Check(
        id="id_reused",
        severity=Severity.WARNING,
        gates=None,
        meaning="Ids that come back elsewhere, or under another name, after a while away: given to another object "
        "after a deletion.",
        remedy="Give the second object an id of its own: delete it in the demo and add it as a new object.",
        measure=_reused,
        threshold="max_jump_share",
        pictured="sequence",
    ),
)
