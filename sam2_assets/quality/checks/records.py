"""Checks that the records are all there: held against the frame list and the counts that the export states."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity

_UNEVEN = 1.5
"""A gap this many times the usual one lacks a frame; the exporter's own steps are even but for the last."""


def _frame_list(context: Context) -> Iterator[Finding]:
    listed = context.stated.get("frame_list")
    if listed is None:
        # Between action segments nothing is annotated, and nothing is missing.
        if not context.import_record.get("segments"):
            yield from _gaps(context)
        return
    for key, what in (
        ("not_written", "is in the export's frame list and has no record"),
        ("not_planned", "has a record and is not in the export's frame list"),
        ("repeated", "is in the export's frame list more than once"),
    ):
        for frame_index in listed[key]:
            yield Finding(f"frame {frame_index} {what}", frame_index)


def _gaps(context: Context) -> Iterator[Finding]:
    """Without a frame list, steps between records that are longer than the usual one."""
    steps = list(itertools.pairwise(context.frames["frame_index"].tolist()))
    if len(steps) < 3:
        return
    usual = statistics.median(b - a for a, b in steps)
    for a, b in steps[:-1]:
        if b - a > _UNEVEN * usual:
            yield Finding(f"no record between frames {a} and {b}; elsewhere every {usual:g} frames there is one", b)


def _counts(context: Context) -> Iterator[Finding]:
    for count in context.stated.get("counts") or []:
        yield Finding(
            f"{count['what']} is {count['stated']:g}, the export has {count['found']}", value=float(count["stated"])
        )


CHECKS = (
    Check(
        id="frame_list_differs",
        severity=Severity.WARNING,
        gates=None,
        meaning="Frames that the export set out to write and has no record of, or the reverse: the exporter leaves a "
        "frame out without a word when it fails.",
        remedy="Export the video again; if the same frames are left out, look at them in the demo.",
        measure=_frame_list,
    ),
    Check(
        id="counts_differ",
        severity=Severity.WARNING,
        gates=None,
        meaning="Counts that the export states otherwise than it has records: part of it may be lost.",
        remedy="Export the video again; the archive was changed, or its writing was cut short.",
        measure=_counts,
    ),
)
