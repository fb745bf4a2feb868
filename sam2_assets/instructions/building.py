"""From a raw export's tables and pictures to the canonical dataset folder, a few megabytes of pictures at a time."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.card import write_card
from sam2_assets.instructions.rows import DATA_FOLDER, Row, RowObject, features, main_object
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.instructions.tasks import PROMPT_TOKENS, check_tasks, converse
from sam2_assets.instructions.views import check_formats, write_view
from sam2_assets.tables import FRAMES_FILE, OBJECTS_FILE, Tables

SUMMARY_FILE = "dataset.json"
_MEGABYTE = 1_000_000
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class DatasetSummary:
    """What ``build_dataset`` published; ``dataset.json`` holds the same beside the settings.

    Args:
        video_id: content identity of the video.
        frames: rows of the dataset.
        objects: non-empty objects in them.
        samples: conversations of each task.
        skipped: frames of the raw export that are not in the dataset, by reason.
        empty_objects: objects left out because their mask is empty.
        labels: how many objects carry each label, most frequent first.
        main_labels: the same for the largest object of each frame.
        image_origins: where the pictures come from (``ImageOrigin``), by frame.
        formats: records written by each view.
    """

    video_id: str
    frames: int
    objects: int
    samples: dict[str, int]
    skipped: dict[str, int]
    empty_objects: int
    labels: dict[str, int]
    main_labels: dict[str, int]
    image_origins: dict[str, int]
    formats: dict[str, int] = field(default_factory=dict)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _read_tables(raw: Path) -> Tables:
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


def _objects_by_frame(objects: pd.DataFrame) -> dict[int, tuple[RowObject, ...]]:
    kept = objects[~objects["empty"]].sort_values(["frame_index", "object_id"], kind="stable")
    by_frame: dict[int, list[RowObject]] = {}
    for record in kept.to_dict("records"):
        label = str(record["label"])
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
        by_frame.setdefault(int(record["frame_index"]), []).append(
            RowObject(
                object_id=int(record["object_id"]),
                label=label,
                box=(
                    float(record["box_x"]),
                    float(record["box_y"]),
                    float(record["box_w"]),
                    float(record["box_h"]),
                ),
                area_px=float(record["area_px"]),
                grid=(int(record["grid_h"]), int(record["grid_w"])),
                rle_counts=str(record["rle_counts"]),
            )
        )
    return {frame: tuple(found) for frame, found in by_frame.items()}


def _read_picture(raw: Path, frame: Mapping[Hashable, Any]) -> bytes:
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


class _ShardWriter:
    """Writes rows to ``data/train-0000N.parquet``; holds at most one row group of pictures in memory."""

    def __init__(self, folder: Path, settings: InstructionSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._schema: pa.Schema = features().arrow_schema
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = 0
        self._shard_bytes = 0
        self._shards = 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _ShardWriter:
        self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._close()

    def add(self, row: Row) -> None:
        self._pending.append(row.as_record())
        self._pending_bytes += len(row.image_bytes)
        if self._pending_bytes >= self._settings.row_group_mb * _MEGABYTE:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            path = self._folder / f"train-{self._shards:05d}.parquet"
            # Pictures are compressed already, and all different: neither a codec nor a dictionary gains anything.
            self._writer = pq.ParquetWriter(
                path,
                self._schema,
                compression={"image.bytes": "NONE"},
                use_dictionary=["video_id"],
                write_statistics=["video_id", "frame_index", "time_s"],
            )
            self._shards += 1
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
        self._shard_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0
        if self._shard_bytes >= self._settings.shard_mb * _MEGABYTE:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._shard_bytes = None, 0


def _rows(
    raw: Path,
    frames: pd.DataFrame,
    by_frame: dict[int, tuple[RowObject, ...]],
    settings: InstructionSettings,
    skipped: Counter[str],
    origins: Counter[str],
) -> Iterator[Row]:
    for frame in frames.sort_values("frame_index", kind="stable").to_dict("records"):
        index = int(frame["frame_index"])
        objects = by_frame.get(index)
        if objects is None:
            skipped["no_object"] += 1
            continue
        if not isinstance(frame["image"], str):
            skipped["no_picture"] += 1
            continue
        origins[str(frame["image_origin"])] += 1
        video_id = str(frame["video_id"])
        yield Row(
            video_id=video_id,
            frame_index=index,
            time_s=float(frame["time_s"]),
            width=int(frame["width"]),
            height=int(frame["height"]),
            objects=objects,
            conversations=converse(
                video_id, index, objects, tasks=settings.tasks, questions=settings.questions, seed=settings.seed
            ),
            image_name=Path(frame["image"]).name,
            image_bytes=_read_picture(raw, frame),
        )


def build_dataset(raw: Path, out: Path, settings: InstructionSettings) -> DatasetSummary:
    """Write the canonical dataset of one video, its card, ``dataset.json`` and the chosen views into ``out``.

    One row a frame that has a picture and an object with a non-empty mask; boxes in frame pixels, answers as templates
    (see docs/architecture.md). The same folder, settings and seed give the same bytes.

    Args:
        raw: folder published by ``raw_export``.
        out: folder to write; made if absent.
        settings: tasks, phrasings, views and sizes.

    Raises:
        SettingsError: tasks, questions or formats that do not exist or cannot be used.
        DatasetError: ``not_a_raw_export``, ``video_id``, ``label_token``, ``picture_unreadable``,
            ``picture_changed``, ``picture_size``, ``no_samples``.
    """
    check_tasks(settings.tasks, settings.questions)
    check_formats(settings.formats)
    tables = _read_tables(raw)
    by_frame = _objects_by_frame(tables.objects)
    skipped: Counter[str] = Counter()
    origins: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    main_labels: Counter[str] = Counter()
    frames = 0
    with _ShardWriter(out / DATA_FOLDER, settings) as writer:
        for row in _rows(raw, tables.frames, by_frame, settings, skipped, origins):
            frames += 1
            labels.update(o.label for o in row.objects)
            main_labels[main_object(row.objects).label] += 1
            writer.add(row)
    if frames == 0:
        raise DatasetError(
            "no_samples",
            "no frame has both a picture and an object",
            file=FRAMES_FILE,
            field="skipped",
            value=dict(skipped),
            remedy="Annotate objects and export with images, or give the source video beside the export.",
        )
    summary = DatasetSummary(
        video_id=tables.video_id,
        frames=frames,
        objects=sum(labels.values()),
        samples=dict.fromkeys(settings.tasks, frames),
        skipped=_ranked(skipped),
        empty_objects=int(tables.objects["empty"].sum()),
        labels=_ranked(labels),
        main_labels=_ranked(main_labels),
        image_origins=_ranked(origins),
        formats={name: write_view(out, name, out / "formats" / name) for name in settings.formats},
    )
    document = {**asdict(summary), "settings": settings.model_dump()}
    (out / SUMMARY_FILE).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    write_card(out, asdict(summary))
    return summary
