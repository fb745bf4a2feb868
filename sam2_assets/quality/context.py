"""What the checks look at: the tables' sound rows, joined and measured once for all checks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.errors
import pandera.pandas as pa

from sam2_assets.errors import DatasetError
from sam2_assets.pixels import PICTURES_FILE, survey
from sam2_assets.quality.rows import rows
from sam2_assets.quality.runs import measure_all
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.quality.shapes import measure_shapes
from sam2_assets.quality.steps import steps_table
from sam2_assets.tables import Frames, ImageOrigin, Objects, Tables

IMPORT_FILE = "import.json"
_NO_SHAPES = {"raggedness": 0.0, "pieces": 0, "crumbs": 0, "second_share": 0.0, "apart": 0.0}


@dataclass(frozen=True)
class SchemaFailures:
    """What a table's schema objects to.

    Args:
        columns: ``(column, problem)`` for missing, extra, misplaced or mistyped columns.
        rows: ``(row number, column, problem, value)`` for values.
    """

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[int, str, str, object], ...]


def schema_failures(table: pd.DataFrame, schema: type[pa.DataFrameModel]) -> SchemaFailures:
    """Every objection of ``schema`` to ``table``, whose rows are numbered from 0."""
    try:
        schema.validate(table, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        columns: list[tuple[str, str]] = []
        values: list[tuple[int, str, str, object]] = []
        for case in rows(errors.failure_cases):
            about_row = case.index is not None and not pd.isna(case.index)
            if about_row:
                values.append((int(case.index), str(case.column), str(case.check), case.failure_case))
            else:
                columns.append((str(case.column), f"{case.check}: {case.failure_case}"))
        return SchemaFailures(tuple(columns), tuple(values))
    return SchemaFailures((), ())


class Context:
    """One video's tables as the checks see them.

    Args:
        tables: as imported, not necessarily sound.
        raw: folder of the ``raw_export``, where pictures and ``import.json`` lie.
        settings: the thresholds.
    """

    def __init__(self, tables: Tables, raw: Path, settings: QualitySettings) -> None:
        self.given = Tables(tables.frames.reset_index(drop=True), tables.objects.reset_index(drop=True))
        self.raw = raw
        self.settings = settings

    @cached_property
    def frame_failures(self) -> SchemaFailures:
        """Objections to the frames table."""
        return schema_failures(self.given.frames, Frames)

    @cached_property
    def object_failures(self) -> SchemaFailures:
        """Objections to the objects table."""
        return schema_failures(self.given.objects, Objects)

    @property
    def sound_columns(self) -> bool:
        """Both tables have the columns and types that every other check relies on."""
        return not self.frame_failures.columns and not self.object_failures.columns

    @cached_property
    def frames(self) -> pd.DataFrame:
        """The frames that passed their schema, by ``frame_index``, with ``has_picture`` (it is there as a file)."""
        bad = {row for row, *_ in self.frame_failures.rows}
        frames = self.given.frames.drop(index=sorted(bad)).sort_values("frame_index", kind="stable")
        has_picture = [
            isinstance(image, str) and origin != ImageOrigin.MISSING and (self.raw / image).is_file()
            for image, origin in zip(frames["image"], frames["image_origin"], strict=True)
        ]
        return frames.assign(has_picture=pd.Series(has_picture, index=frames.index, dtype=bool)).reset_index(drop=True)

    @cached_property
    def pictures(self) -> pd.DataFrame:
        """The measures of the pictures (``pixels.Pictures``) that ``frames`` has, by ``frame_index``.

        Added columns: ``image``, ``frame_w``, ``frame_h`` (pixels). The import measured them; a folder that an earlier
        version imported is measured here, in the same way.
        """
        shown = self.frames[self.frames["has_picture"]]
        facts = shown[["frame_index", "image", "width", "height"]].rename(
            columns={"width": "frame_w", "height": "frame_h"}
        )
        recorded = self.raw / PICTURES_FILE
        if recorded.is_file():
            measures = pd.read_parquet(recorded)
        else:
            measures = survey((row.frame_index, self.raw / row.image) for row in rows(shown))
        return facts.merge(measures, on="frame_index", how="inner").reset_index(drop=True)

    @cached_property
    def readable_pictures(self) -> pd.DataFrame:
        """The rows of ``pictures`` that could be decoded."""
        return self.pictures[self.pictures["problem"] == ""]

    @cached_property
    def objects(self) -> pd.DataFrame:
        """The objects that passed their schema and whose frame did, with the frame's facts and the mask's measures.

        Added columns: ``time_s``, ``frame_w``, ``frame_h`` (pixels), ``has_picture``; ``mask_problem`` (empty text if
        the runs are sound), ``mask_x/y/w/h``, ``mask_area_nearest``, ``mask_area_scaled`` (``runs.MaskMeasure``, frame
        pixels) and ``present`` (sound and not empty).
        """
        bad = {row for row, *_ in self.object_failures.rows}
        facts = self.frames.rename(columns={"width": "frame_w", "height": "frame_h"})
        objects = self.given.objects.drop(index=sorted(bad)).merge(
            facts[["video_id", "frame_index", "time_s", "frame_w", "frame_h", "has_picture"]],
            on=["video_id", "frame_index"],
            how="inner",
        )
        objects = objects.sort_values(["frame_index", "object_id"], kind="stable").reset_index(drop=True)
        shapes = objects[["grid_h", "grid_w", "frame_w", "frame_h"]].to_numpy(np.int64)
        measures = measure_all(objects["rle_counts"].to_numpy(dtype=object).tolist(), shapes)
        for i, name in enumerate("xywh"):
            objects[f"mask_{name}"] = measures.boxes[:, i]
        objects["mask_area_nearest"] = measures.area_nearest
        objects["mask_area_scaled"] = measures.area_scaled
        objects["mask_problem"] = pd.Series(measures.problems, dtype="str")
        objects["present"] = measures.area_nearest > 0
        return objects

    @cached_property
    def sound_objects(self) -> pd.DataFrame:
        """The rows of ``objects`` whose runs are sound (their masks may be empty)."""
        return self.objects[self.objects["mask_problem"] == ""]

    @cached_property
    def present_objects(self) -> pd.DataFrame:
        """The rows of ``objects`` whose masks are sound and not empty."""
        return self.objects[self.objects["present"]]

    @cached_property
    def steps(self) -> pd.DataFrame:
        """From each of ``present_objects`` to the next of the same object (``steps.steps_table``)."""
        return steps_table(self.present_objects, self.frames, self.settings.max_jump_seconds)

    @cached_property
    def shapes(self) -> pd.DataFrame:
        """``present_objects`` with the columns of ``shapes.Shapes``; a crumb is smaller than ``speck_share``."""
        parts = []
        present = self.present_objects
        for height, width in sorted(set(zip(present["grid_h"].tolist(), present["grid_w"].tolist(), strict=True))):
            members = present[(present["grid_h"] == height) & (present["grid_w"] == width)]
            crumb = self.settings.speck_share * height * width
            parts.append(members.assign(**vars(measure_shapes(members["rle_counts"].tolist(), (height, width), crumb))))
        return pd.concat(parts).sort_index() if parts else present.assign(**_NO_SHAPES)

    @cached_property
    def usable_frames(self) -> pd.DataFrame:
        """The rows of ``frames`` that can be trained on: with a picture and at least one object."""
        with_object = self.frames["frame_index"].isin(self.present_objects["frame_index"])
        return self.frames[with_object & self.frames["has_picture"]]

    @property
    def stated(self) -> dict[str, Any]:
        """What the export states beside the tables (``exports.stated``); empty if the record does not say.

        Raises:
            DatasetError: ``import_record_unreadable``.
        """
        stated = self.import_record.get("stated")
        return stated if isinstance(stated, dict) else {}

    @cached_property
    def import_record(self) -> dict[str, Any]:
        """The content of ``import.json``.

        Raises:
            DatasetError: ``import_record_unreadable``.
        """
        path = self.raw / IMPORT_FILE
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(
                "import_record_unreadable",
                f"the record of the import cannot be read ({error.__class__.__name__})",
                remedy="Import the export again; the folder of a raw_export is incomplete.",
                file=IMPORT_FILE,
            ) from error
        if not isinstance(record, dict) or not isinstance(record.get("video"), dict):
            raise DatasetError(
                "import_record_unreadable",
                "the record of the import does not describe a video",
                remedy="Import the export again; the folder of a raw_export is incomplete.",
                file=IMPORT_FILE,
                field="video",
            )
        return record
