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
from sam2_assets.exports.evidence import CHANNELS, EXCHANGED, OUTLINED_ELSEWHERE, PICTURES
from sam2_assets.pixels import PICTURES_FILE, survey
from sam2_assets.quality.rows import cells, rows
from sam2_assets.quality.runs import measure_all
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.quality.shapes import measure_shapes
from sam2_assets.quality.steps import steps_table
from sam2_assets.quality.texts import Texts
from sam2_assets.tables import Frames, ImageOrigin, Objects, Tables, validate

IMPORT_FILE = "import.json"
_SHOWN = ["frame_index", "object_id", "label"]
_FRAME_FACTS = ["time_s", "frame_w", "frame_h", "has_picture"]
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
        validate(table, schema)
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


def _without(table: pd.DataFrame, failures: SchemaFailures) -> pd.DataFrame:
    """The rows that no schema objects to."""
    bad = sorted({row for row, *_ in failures.rows})
    return table.drop(index=bad) if bad else table


def _only(table: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    """The wanted rows; the table itself, and no copy of it, if it has no others."""
    return table if bool(wanted.all()) else table[wanted]


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
        frames = _without(self.given.frames, self.frame_failures)
        if not frames["frame_index"].is_monotonic_increasing:
            frames = frames.sort_values("frame_index", kind="stable")
        missing = str(ImageOrigin.MISSING)
        has_picture = [
            isinstance(image, str) and origin != missing and (self.raw / image).is_file()
            for image, origin in cells(frames, "image", "image_origin")
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
        objects = self._in_frames(_without(self.given.objects, self.object_failures))
        shapes = objects[["grid_h", "grid_w", "frame_w", "frame_h"]].to_numpy(np.int64)
        measures = measure_all(Texts.of(objects["rle_counts"]), shapes)
        return objects.assign(
            **{f"mask_{name}": measures.boxes[:, i] for i, name in enumerate("xywh")},
            mask_area_nearest=measures.area_nearest,
            mask_area_scaled=measures.area_scaled,
            mask_problem=pd.Series(measures.problems, dtype="str"),
            present=measures.area_nearest > 0,
        )

    def _in_frames(self, objects: pd.DataFrame) -> pd.DataFrame:
        """The rows whose frame is in ``frames``, with its facts, by frame and object."""
        facts = self.frames.rename(columns={"width": "frame_w", "height": "frame_h"})
        if len(facts) and len(objects) and self.one_video:
            known = facts["frame_index"].to_numpy()
            frame, number = objects["frame_index"].to_numpy(), objects["object_id"].to_numpy()
            place = np.minimum(np.searchsorted(known, frame), len(known) - 1)
            inside = known[place] == frame
            order = np.flatnonzero(inside)
            step = np.diff(frame[order])
            if bool((step < 0).any()) or bool((np.diff(number[order])[step == 0] < 0).any()):
                order = order[np.lexsort((number[order], frame[order]))]
            whole = len(order) == len(objects) and bool((np.diff(order) == 1).all())
            table = objects if whole else objects.take(order)
            added = {name: facts[name].to_numpy()[place[order]] for name in _FRAME_FACTS}
            return table.assign(**added).reset_index(drop=True)
        joined = objects.merge(facts[["video_id", "frame_index", *_FRAME_FACTS]], on=["video_id", "frame_index"])
        return joined.sort_values(["frame_index", "object_id"], kind="stable").reset_index(drop=True)

    @cached_property
    def one_video(self) -> bool:
        """Whether all rows of both tables are of one video."""
        return len(set(self.given.frames["video_id"].unique()) | set(self.given.objects["video_id"].unique())) == 1

    @cached_property
    def sound_objects(self) -> pd.DataFrame:
        """The rows of ``objects`` whose runs are sound (their masks may be empty)."""
        return _only(self.objects, self.objects["mask_problem"] == "")

    @cached_property
    def present_objects(self) -> pd.DataFrame:
        """The rows of ``objects`` whose masks are sound and not empty."""
        return _only(self.objects, self.objects["present"])

    @cached_property
    def names(self) -> pd.DataFrame:
        """Who is called what: ``object_id``, ``label``, how many ``rows`` of ``objects``, the first ``frame_index``
        among them, and ``seen``, how many of the rows are present; by object and label."""
        objects = self.objects
        code, labels = pd.factorize(objects["label"])
        pairs = objects["object_id"].to_numpy(np.int64) * max(len(labels), 1) + code
        pairs, first, place = np.unique(pairs, return_index=True, return_inverse=True)
        found = pd.DataFrame(
            {
                "object_id": objects["object_id"].to_numpy()[first],
                "label": labels.take(code[first]),
                "rows": np.bincount(place, minlength=len(first)),
                "frame_index": objects["frame_index"].to_numpy()[first],
                "seen": np.bincount(place, objects["present"], len(first)).astype(np.int64),
            }
        )
        # as Python sorts texts
        order = sorted(range(len(found)), key=list(cells(found, "object_id", "label")).__getitem__)
        return found.iloc[order].reset_index(drop=True)

    @cached_property
    def annotations_per_class(self) -> dict[str, int]:
        """Label -> how many of ``present_objects`` have it, by label."""
        counts = self.names.groupby("label", sort=False)["seen"].sum()
        return {label: n for label, n in sorted(zip(counts.index.tolist(), counts.tolist(), strict=True)) if n}

    @cached_property
    def steps(self) -> pd.DataFrame:
        """From each of ``present_objects`` to the next of the same object (``steps.steps_table``)."""
        return steps_table(self.present_objects, self.frames, self.settings.max_jump_seconds)

    @cached_property
    def shapes(self) -> pd.DataFrame:
        """Frame, object and label of ``present_objects`` with the columns of ``shapes.Shapes``.

        A crumb is smaller than ``speck_share``.
        """
        present = self.present_objects
        grids = present[["grid_h", "grid_w"]].to_numpy(np.int64)
        texts = Texts.of(present["rle_counts"])
        columns = {name: np.full(len(present), value) for name, value in _NO_SHAPES.items()}
        for height, width in np.unique(grids, axis=0).tolist():
            which = np.flatnonzero((grids == (height, width)).all(axis=1))
            crumb = self.settings.speck_share * height * width
            for name, values in vars(measure_shapes(texts, (height, width), crumb, which=which)).items():
                columns[name][which] = values
        return present[_SHOWN].assign(**columns)

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

    @property
    def channels_exchanged(self) -> bool:
        """Whether the import found red and blue exchanged in the export's own pictures.

        Raises:
            DatasetError: ``import_record_unreadable``.
        """
        return any((each.get("what"), each.get("choice")) == (CHANNELS, EXCHANGED) for each in self._decisions)

    @property
    def outlined_elsewhere(self) -> dict[int, float]:
        """Sampled frames whose picture in the export outlines objects elsewhere than their masks lie.

        With the share of the masks' own contours that is painted there, 0..1.

        Raises:
            DatasetError: ``import_record_unreadable``.
        """
        found: dict[int, float] = {}
        for each in self._decisions:
            evidence = each.get("evidence")
            if each.get("what") == PICTURES and isinstance(evidence, dict):
                found |= {int(frame): float(share) for frame, share in evidence.get(OUTLINED_ELSEWHERE, {}).items()}
        return found

    @property
    def _decisions(self) -> list[dict[str, Any]]:
        decisions = self.import_record.get("decisions")
        return [each for each in decisions if isinstance(each, dict)] if isinstance(decisions, list) else []

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
