"""Checks of the tables as tables: their schemas, and that they belong together."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context, SchemaFailures
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.rows import rows

_IMPORT_AGAIN = "Import the export again; if it happens again, report it with import.json: the importer wrote this."


def _schema_findings(failures: SchemaFailures, table: pd.DataFrame, name: str) -> Iterator[Finding]:
    for column, problem in failures.columns:
        yield Finding(f"{name}.{column}: {problem}")
    for row, column, problem, value in failures.rows:
        yield Finding(
            f"{name} row {row}, {column} = {value!r}: {problem}",
            frame_index=_whole_number(table, row, "frame_index"),
            object_id=_whole_number(table, row, "object_id"),
        )


def _whole_number(table: pd.DataFrame, row: int, column: str) -> int | None:
    """The cell, if it is a number that can point a person to a row (the row is one that failed its schema)."""
    if column not in table.columns or not pd.api.types.is_integer_dtype(table[column]):
        return None
    value = table[column].iloc[row]
    return None if pd.isna(value) else int(value)


def _frames(context: Context) -> Iterator[Finding]:
    return _schema_findings(context.frame_failures, context.given.frames, "frames")


def _objects(context: Context) -> Iterator[Finding]:
    return _schema_findings(context.object_failures, context.given.objects, "objects")


def _orphans(context: Context) -> Iterator[Finding]:
    keys = ["video_id", "frame_index"]
    frames, objects = context.given.frames, context.given.objects
    if context.one_video:
        orphaned = ~objects["frame_index"].isin(frames["frame_index"]).to_numpy()
    else:
        orphaned = ~pd.MultiIndex.from_frame(objects[keys]).isin(pd.MultiIndex.from_frame(frames[keys]))
    for row in rows(objects.loc[orphaned, ["object_id", *keys]]):
        yield Finding(
            f"object {row.object_id} of video {row.video_id!r} lies in frame {row.frame_index}, "
            "which the frames table does not have",
            row.frame_index,
            row.object_id,
        )
    for video in context.given.frames["video_id"].unique()[1:]:
        yield Finding(f"the frames table holds a second video, {video!r}")


CHECKS = (
    Check(
        id="schema_frames",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="The frames table has the columns, types and values that everything else is computed from.",
        remedy=_IMPORT_AGAIN,
        measure=_frames,
        waivable=False,
        needs_sound_columns=False,
    ),
    Check(
        id="schema_objects",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="The objects table has the columns, types and values that everything else is computed from.",
        remedy=_IMPORT_AGAIN,
        measure=_objects,
        waivable=False,
        needs_sound_columns=False,
    ),
    Check(
        id="orphan_objects",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="Every object lies in a frame of the same, single video.",
        remedy=_IMPORT_AGAIN,
        measure=_orphans,
        waivable=False,
    ),
)
