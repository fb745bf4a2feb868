"""The one data structure: the ``frames`` and ``objects`` tables of one video.

Everything after the importer (samples, checks, pictures, splits, scores) is computed from these two.

``frames`` has one row a frame that the export annotates, ``objects`` one row an object in a frame.
Boxes are ``x, y, w, h`` floats in **frame pixels**, origin at the top left corner of the frame, where a box that
covers exactly pixel column 3 has ``x = 3, w = 1``. Areas are in frame pixels. A mask is COCO run-length text
(column-major, compressed as ``pycocotools`` writes it) on **its own grid** of ``grid_h x grid_w`` cells that spans
the whole frame; it is never resampled here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.engines.pandas_engine import Engine
from pandera.typing import Series

FRAMES_FILE = "frames.parquet"
OBJECTS_FILE = "objects.parquet"


class ImageOrigin(StrEnum):
    """Where the pixels of a frame come from."""

    SOURCE_VIDEO = "source_video"
    """Decoded from the video the user gave beside the export: clean."""
    EXPORT_CLEAN = "export_clean"
    """Taken from the export, where no burnt-in overlay was found."""
    EXPORT_OVERLAY = "export_overlay"
    """Taken from the export, with masks, contours and labels painted in: the answer is in the picture."""
    MISSING = "missing"
    """The export annotates the frame but has no picture of it, and there is no video."""


class Provenance(StrEnum):
    """How a field of an object came about."""

    STATED = "stated"
    """As the export states it (and, where it can be checked, agreeing with the mask)."""
    RECOMPUTED = "recomputed"
    """The export states something else; computed from the mask instead."""
    ABSENT = "absent"
    """The export does not state it; computed from the mask."""
    CLEANED = "cleaned"
    """White space or control characters removed, prompt tokens escaped."""
    MAPPED = "mapped"
    """Replaced through the user's label map."""


class Frames(pa.DataFrameModel):
    """Schema of ``frames.parquet``, sorted by ``frame_index``."""

    video_id: Series[str] = pa.Field(str_length={"min_value": 1}, description="content hash of the video's identity")
    frame_index: Series[int] = pa.Field(ge=0, unique=True, description="0-based index in the (transcoded) video")
    time_s: Series[float] = pa.Field(ge=0, description="seconds from the start of the video")
    image: Series[str] = pa.Field(nullable=True, description="picture, relative to the artifact's folder; null if none")
    image_origin: Series[str] = pa.Field(isin=[str(origin) for origin in ImageOrigin])
    image_sha256: Series[str] = pa.Field(nullable=True, description="of the file's bytes")
    width: Series[int] = pa.Field(gt=0, description="of the frame, pixels")
    height: Series[int] = pa.Field(gt=0, description="of the frame, pixels")

    class Config:
        strict = True
        ordered = True
        coerce = False


class Objects(pa.DataFrameModel):
    """Schema of ``objects.parquet``, sorted by ``frame_index``, ``object_id``."""

    video_id: Series[str]
    frame_index: Series[int] = pa.Field(ge=0)
    object_id: Series[int] = pa.Field(ge=0, description="track id inside the export")
    label: Series[str] = pa.Field(str_length={"min_value": 1})
    label_raw: Series[str] = pa.Field(description="as the export spells it")
    box_x: Series[float] = pa.Field(ge=0, description="left edge, frame pixels")
    box_y: Series[float] = pa.Field(ge=0, description="top edge, frame pixels")
    box_w: Series[float] = pa.Field(ge=0, description="width, frame pixels; 0 if the mask is empty")
    box_h: Series[float] = pa.Field(ge=0, description="height, frame pixels; 0 if the mask is empty")
    area_px: Series[float] = pa.Field(ge=0, description="of the mask, frame pixels")
    empty: Series[bool] = pa.Field(description="the mask has no pixel")  # type: ignore[assignment]
    rle_counts: Series[str] = pa.Field(description="COCO compressed run lengths, column-major, on the mask's grid")
    grid_h: Series[int] = pa.Field(gt=0)
    grid_w: Series[int] = pa.Field(gt=0)
    declared_x: Series[float] = pa.Field(nullable=True, description="box as the export states it, its own units")
    declared_y: Series[float] = pa.Field(nullable=True)
    declared_w: Series[float] = pa.Field(nullable=True)
    declared_h: Series[float] = pa.Field(nullable=True)
    declared_area: Series[float] = pa.Field(nullable=True)
    confidence: Series[float] = pa.Field(nullable=True, description="as stated; the demo writes a constant 0.95")
    box_provenance: Series[str] = pa.Field(isin=[str(p) for p in Provenance])
    area_provenance: Series[str] = pa.Field(isin=[str(p) for p in Provenance])
    label_provenance: Series[str] = pa.Field(isin=[str(p) for p in Provenance])

    class Config:
        strict = True
        ordered = True
        coerce = False
        unique = ["frame_index", "object_id"]


@dataclass(frozen=True)
class Tables:
    """The two tables of one video (see the module's docstring for units and frame of reference)."""

    frames: pd.DataFrame
    objects: pd.DataFrame

    @property
    def video_id(self) -> str:
        """The content identity shared by every row."""
        return str(self.frames["video_id"].iloc[0])

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """Read both tables from an artifact's folder, without validating them (gates do that)."""
        return cls(pd.read_parquet(folder / FRAMES_FILE), pd.read_parquet(folder / OBJECTS_FILE))

    def write(self, folder: Path) -> None:
        """Write both tables into ``folder``; the same tables give the same bytes."""
        self.frames.to_parquet(folder / FRAMES_FILE, index=False)
        self.objects.to_parquet(folder / OBJECTS_FILE, index=False)

    def validate(self) -> None:
        """Check both tables against their schemas.

        Raises:
            pandera.errors.SchemaErrors: with every failing row.
        """
        validate(self.frames, Frames)
        validate(self.objects, Objects)


def validate(table: pd.DataFrame, schema: type[pa.DataFrameModel]) -> None:
    """Check a table against its schema; takes a hundredth of a second for 30,000 rows without a fault.

    Raises:
        pandera.errors.SchemaErrors: with every failing row.
    """
    if not _plainly_sound(table, schema):
        schema.validate(table, lazy=True)


def _plainly_sound(table: pd.DataFrame, schema: type[pa.DataFrameModel]) -> bool:
    """Whether a quick look proves that every check of the schema holds; if not, pandera has to say what is wrong.

    Pandera looks at each value of each check in turn, also at those of texts that a column holds thousands of times.
    """
    plan = schema.to_schema()
    if list(table.columns) != list(plan.columns):
        return False
    if not all(_column_sound(table[name], column) for name, column in plan.columns.items()):
        return False
    return plan.unique is None or _different(table[list(plan.unique)])


def _column_sound(values: pd.Series, column: pa.Column) -> bool:
    dtype = column.dtype
    if not dtype.check(Engine.dtype(values.dtype)) or (not column.nullable and values.hasnans):
        return False
    # finding out which of the masks' long texts differ takes longer than everything else, and nothing is asked of them
    if isinstance(values.dtype, pd.StringDtype) and column.checks and not column.unique:
        values = pd.Series(values.unique(), dtype=values.dtype)
    return all(_holds(values.dropna(), check) for check in column.checks) and (
        not column.unique or _different(values.to_frame())
    )


def _holds(values: pd.Series, check: pa.Check) -> bool:
    """Whether all values pass a check; False also for one that is not known here."""
    bound = check.statistics or {}
    if check.name == "greater_than_or_equal_to":
        return bool((values >= bound["min_value"]).all())
    if check.name == "greater_than":
        return bool((values > bound["min_value"]).all())
    if check.name == "isin":
        return set(values) <= set(bound["allowed_values"])
    if check.name == "str_length" and bound.get("max_value") is None and bound.get("exact_value") is None:
        return bool((values.str.len() >= bound["min_value"]).all())
    return False


def _different(keys: pd.DataFrame) -> bool:
    """Whether whole, sorted rows of numbers are all different; False also if they are not sorted."""
    rises = np.zeros(max(len(keys) - 1, 0), bool)
    even = ~rises
    for name in keys.columns:
        if not pd.api.types.is_integer_dtype(keys[name].dtype):
            return False
        step = np.diff(keys[name].to_numpy())
        rises |= even & (step > 0)
        even &= step == 0
    return bool(rises.all())
