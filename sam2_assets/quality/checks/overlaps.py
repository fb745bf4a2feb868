"""Checks of the objects of one frame against each other."""

from __future__ import annotations

from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.masks import pairwise_iou
from sam2_assets.quality.rows import grouped


def _duplicates(context: Context) -> Iterator[Finding]:
    keys = ("frame_index", "grid_h", "grid_w", "rle_counts")
    for (frame_index, *_), (first, *others) in grouped(context.present_objects, *keys).items():
        for other in others:
            yield Finding(
                f"frame {frame_index}: objects {first.object_id} ({first.label}) and {other.object_id} "
                f"({other.label}) have the same mask",
                frame_index,
                other.object_id,
            )


def _overlaps(context: Context) -> Iterator[Finding]:
    # Masks are compared on their own grid, never resampled: an export writes all masks of a frame on one grid.
    for (frame_index, *grid), objects in grouped(context.present_objects, "frame_index", "grid_h", "grid_w").items():
        if len(objects) < 2:
            continue
        overlap = pairwise_iou([o.rle_counts for o in objects], (grid[0], grid[1]))
        for i, a in enumerate(objects):
            for j in range(i + 1, len(objects)):
                b = objects[j]
                if overlap[i, j] > context.settings.max_overlap_iou and a.rle_counts != b.rle_counts:
                    yield Finding(
                        f"frame {frame_index}: objects {a.object_id} ({a.label}) and {b.object_id} ({b.label}) "
                        f"overlap by IoU {overlap[i, j]:.2f}",
                        frame_index,
                        b.object_id,
                        float(overlap[i, j]),
                    )


CHECKS = (
    Check(
        id="duplicate_object",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Two objects of a frame with the same mask: one thing counted twice, or two names for one thing.",
        remedy="Delete one of the two objects in the demo and export again.",
        measure=_duplicates,
        pictured="drawn",
    ),
    Check(
        id="overlapping_objects",
        severity=Severity.WARNING,
        gates=None,
        meaning="Two objects of a frame whose masks nearly coincide: often one thing annotated twice.",
        remedy="Delete one of the two objects, or separate them with negative clicks; parts of a whole may stay.",
        measure=_overlaps,
        threshold="max_overlap_iou",
        pictured="drawn",
    ),
)
