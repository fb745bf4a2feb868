"""What the dataset takes from a raw export: tables of one video, safe labels, and pictures that are still the same."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.rows import RowObject
from sam2_assets.instructions.tasks import PROMPT_TOKENS
from sam2_assets.tables import FRAMES_FILE, OBJECTS_FILE, Tables

_COLUMNS = ["frame_index", "object_id", "label"]
_COLUMNS += ["box_x", "box_y", "box_w", "box_h", "area_px", "grid_h", "grid_w", "rle_counts"]
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")


def read_tables(raw: Path) -> Tables:
    """The tables of the one video in a raw export; ``DatasetError`` if they are missing or of several."""
    for name in (FRAMES_FILE, OBJECTS_FILE):
        if not (raw / name).is_file():
            raise DatasetError(
                "not_a_raw_export",
                f"{name} is missing",
                file=str(raw),
                remedy="Give the folder that raw_export published for this video.",
            )
    tables = Tables.read(raw)
    ids = sorted(set(tables.frames["video_id"]) | set(tables.objects["video_id"]))
    if len(ids) != 1 or not _PLAIN_NAME.fullmatch(ids[0]):
        raise DatasetError(
            "video_id",
            "the tables must be of one video, whose id is made of letters, digits, '.', '_' and '-'",
            file=FRAMES_FILE,
            field="video_id",
            value=ids,
            remedy="Import the export again; one raw_export holds one video.",
        )
    return tables


def objects_by_frame(objects: pd.DataFrame) -> dict[int, tuple[RowObject, ...]]:
    """Objects with a mask, by frame index and sorted by id; ``DatasetError`` if a label would change the prompt."""
    kept = objects.loc[~objects["empty"], _COLUMNS].sort_values(["frame_index", "object_id"], kind="stable")
    by_frame: dict[int, list[RowObject]] = {}
    # Tuples one by one: with a list of dicts of all columns, 10,000 frames needed 100 MB more than 2,500.
    for frame, object_id, label, x, y, w, h, area, rows, columns, counts in kept.itertuples(index=False, name=None):
        bad = next((token for token in PROMPT_TOKENS if token in label), None)
        if bad is not None:
            raise DatasetError(
                "label_token",
                f"a label may not contain {bad!r}: it would change the prompt",
                file=OBJECTS_FILE,
                field="label",
                value=label,
                remedy="Rename it through the importer's label map and import again.",
            )
        by_frame.setdefault(int(frame), []).append(
            RowObject(
                object_id=int(object_id),
                label=str(label),
                box=(float(x), float(y), float(w), float(h)),
                area_px=float(area),
                grid=(int(rows), int(columns)),
                rle_counts=str(counts),
            )
        )
    return {frame: tuple(found) for frame, found in by_frame.items()}


def read_picture(raw: Path, frame: Mapping[Hashable, Any]) -> bytes:
    """The picture's file bytes, after checking that they are the imported ones and have the frame's size."""
    from PIL import Image, UnidentifiedImageError

    name = str(frame["image"])
    try:
        content = (raw / name).read_bytes()
        size = Image.open(io.BytesIO(content)).size
    except (FileNotFoundError, UnidentifiedImageError) as error:
        raise DatasetError(
            "picture_unreadable",
            "the picture is missing or is not a picture",
            file=name,
            remedy="The raw export is damaged: materialize raw_export again.",
        ) from error
    stated = frame["image_sha256"]
    if isinstance(stated, str) and hashlib.sha256(content).hexdigest() != stated:
        raise DatasetError(
            "picture_changed",
            "the picture is not the one that was imported",
            file=name,
            field="image_sha256",
            value=stated,
            remedy="The raw export was changed after it was published: materialize raw_export again.",
        )
    if size != (int(frame["width"]), int(frame["height"])):
        raise DatasetError(
            "picture_size",
            f"the picture is {size[0]}x{size[1]}, the frame {frame['width']}x{frame['height']}: "
            "boxes would lie elsewhere",
            file=name,
            field="width, height",
            value=size,
            remedy="Import the export again with the video it was made from.",
        )
    return content
