"""Checks of the shapes of masks; each names an object once, with the frame in which it is worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import rows

_REFINE = "Look at the frame in the demo: refine the mask with clicks there, and propagate again."


def _worst(found: pd.DataFrame, measure: str, say: Callable[[Any], str]) -> Iterator[Finding]:
    """A finding an object: its row with the largest ``measure``, and in how many frames."""
    frames = found.groupby("object_id", sort=True)["frame_index"].size()
    worst = found.sort_values([measure, "frame_index"], ascending=[False, True], kind="stable")
    worst = worst.drop_duplicates("object_id").sort_values("object_id")
    for row in rows(worst):
        count = int(frames[row.object_id])
        yield Finding(
            f"object {row.object_id} ({row.label}): {say(row)} in frame {row.frame_index}"
            + (f", the worst of {count} such frames" if count > 1 else ""),
            row.frame_index,
            row.object_id,
            float(getattr(row, measure)),
        )


def _ragged(context: Context) -> Iterator[Finding]:
    shapes = context.shapes
    found = shapes[shapes["raggedness"] > context.settings.max_raggedness]
    yield from _worst(found, "raggedness", lambda row: f"the outline is ragged ({row.raggedness:.2f}; 1 is smooth)")


def _crumbs(context: Context) -> Iterator[Finding]:
    shapes = context.shapes
    found = shapes[shapes["crumbs"] > context.settings.max_crumbs]
    yield from _worst(found, "crumbs", lambda row: f"{row.crumbs} of the mask's {row.pieces} pieces are crumbs")


def _scattered(context: Context) -> Iterator[Finding]:
    shapes, settings = context.shapes, context.settings
    apart = shapes["apart"] > settings.max_apart_share
    found = shapes[apart & (shapes["second_share"] >= settings.second_piece_share)]
    yield from _worst(
        found,
        "apart",
        lambda row: f"the two largest pieces of the mask lie {row.apart:.0%} of the frame's diagonal apart",
    )


CHECKS = (
    Check(
        id="ragged_boundary",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks whose outline changes by chance from cell to cell: noise of the tracker, or a damaged mask.",
        remedy=_REFINE,
        measure=_ragged,
        threshold="max_raggedness",
        pictured="drawn",
    ),
    Check(
        id="fragmented_mask",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks with many crumbs: noise of the tracker, or an object too fine for the mask's grid.",
        remedy=_REFINE,
        measure=_crumbs,
        threshold="max_crumbs",
        pictured="drawn",
    ),
    Check(
        id="scattered_mask",
        severity=Severity.WARNING,
        gates=None,
        meaning="Masks in two large pieces far apart: several things under one id, in a box that is mostly neither.",
        remedy="Give each thing an object of its own in the demo, or remove what does not belong with negative clicks.",
        measure=_scattered,
        threshold="max_apart_share",
        pictured="drawn",
    ),
)
