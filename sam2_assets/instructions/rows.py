"""One row of the canonical dataset (a frame with its objects and conversations), its parquet schema, and reading it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.coordinates import Box
from sam2_assets.errors import DatasetError
from sam2_assets.instructions.sample import Sample, SampleObject

if TYPE_CHECKING:
    from datasets import Features

DATA_FOLDER = "data"
SUMMARY_FILE = "dataset.json"


@dataclass(frozen=True)
class RowObject:
    """An object of a frame whose mask is not empty.

    Args:
        object_id: track id inside the export.
        label: as cleaned by the importer.
        box: ``(x, y, w, h)`` in frame pixels.
        area_px: of the mask, in frame pixels.
        grid: ``(height, width)`` of the mask's own grid.
        rle_counts: COCO compressed run lengths on that grid, column-major.
    """

    object_id: int
    label: str
    box: Box
    area_px: float
    grid: tuple[int, int]
    rle_counts: str


@dataclass(frozen=True)
class Conversation:
    """One task's question and answer about a frame, as templates.

    Args:
        task: a name in ``TASKS``.
        question: may hold markers of boxes (see ``sample.box_marker``).
        answer: the same.
        dialogue: conversations of a frame with the same number are turns of one dialogue, in their order.
        language: code of the language it is in.
        request: the question without how its answer is to be written.
    """

    task: str
    question: str
    answer: str
    dialogue: int = 0
    language: str = "en"
    request: str = ""


@dataclass(frozen=True)
class Row:
    """A frame; ``image_bytes`` is the picture file as it is (empty where it was not read)."""

    video_id: str
    frame_index: int
    time_s: float
    width: int
    height: int
    objects: tuple[RowObject, ...]
    conversations: tuple[Conversation, ...]
    image_name: str
    image_bytes: bytes

    def samples(self, block: str = "") -> list[Sample]:
        """The row's conversations as training samples, in the row's order; they share the picture's bytes."""
        objects = tuple(SampleObject(o.object_id, o.label, o.box) for o in self.objects)
        return [
            Sample(
                sample_id=sample_id(self.video_id, self.frame_index, conversation.task),
                video_id=self.video_id,
                frame_index=self.frame_index,
                block=block,
                task=conversation.task,
                question=conversation.question,
                answer=conversation.answer,
                objects=objects,
                width=self.width,
                height=self.height,
                image_bytes=self.image_bytes,
                language=conversation.language,
                request=conversation.request or conversation.question,
            )
            for conversation in self.conversations
        ]

    def dialogues(self, block: str = "") -> list[list[Sample]]:
        """The row's samples, those of one dialogue together."""
        grouped: dict[int, list[Sample]] = {}
        for conversation, sample in zip(self.conversations, self.samples(block), strict=True):
            grouped.setdefault(conversation.dialogue, []).append(sample)
        return list(grouped.values())

    def as_record(self) -> dict[str, Any]:
        """The row as plain values in the layout of :func:`features`."""
        return {
            "image": {"bytes": self.image_bytes, "path": self.image_name},
            "video_id": self.video_id,
            "frame_index": self.frame_index,
            "time_s": self.time_s,
            "width": self.width,
            "height": self.height,
            "objects": [
                {
                    "object_id": o.object_id,
                    "label": o.label,
                    "box": list(o.box),
                    "area_px": o.area_px,
                    "rle": {"size": list(o.grid), "counts": o.rle_counts},
                }
                for o in self.objects
            ],
            "conversations": [
                {
                    "task": c.task,
                    "question": c.question,
                    "answer": c.answer,
                    "dialogue": c.dialogue,
                    "language": c.language,
                    "request": c.request,
                }
                for c in self.conversations
            ],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Row:
        """The inverse of :meth:`as_record`; a record without ``image`` gives a row without picture."""
        image = record.get("image") or {"bytes": b"", "path": ""}
        return cls(
            video_id=record["video_id"],
            frame_index=record["frame_index"],
            time_s=record["time_s"],
            width=record["width"],
            height=record["height"],
            objects=tuple(
                RowObject(
                    object_id=o["object_id"],
                    label=o["label"],
                    box=(o["box"][0], o["box"][1], o["box"][2], o["box"][3]),
                    area_px=o["area_px"],
                    grid=(o["rle"]["size"][0], o["rle"]["size"][1]),
                    rle_counts=o["rle"]["counts"],
                )
                for o in record["objects"]
            ),
            # Datasets published before there were dialogues lack the number: each conversation is its own. Those
            # published before languages were told lack the last two: the question is the request.
            conversations=tuple(Conversation(**{"dialogue": i, **c}) for i, c in enumerate(record["conversations"])),
            image_name=image["path"],
            image_bytes=image["bytes"],
        )


def sample_id(video_id: str, frame_index: int, task: str) -> str:
    """The name of a sample: ``<video_id>/<frame_index>/<task>``."""
    return f"{video_id}/{frame_index}/{task}"


def main_object(objects: Collection[RowObject]) -> RowObject:
    """The largest object by mask area; of equally large ones, the one with the lowest id."""
    return min(objects, key=lambda o: (-o.area_px, o.object_id))


def features() -> Features:
    """The Hugging Face features of a row (``datasets`` is imported here: it takes a second)."""
    from datasets import Features, Image, List, Value

    return Features(
        {
            "image": Image(),
            "video_id": Value("string"),
            "frame_index": Value("int64"),
            "time_s": Value("float64"),
            "width": Value("int32"),
            "height": Value("int32"),
            "objects": List(
                {
                    "object_id": Value("int64"),
                    "label": Value("string"),
                    "box": List(Value("float64")),
                    "area_px": Value("float64"),
                    "rle": {"size": List(Value("int32")), "counts": Value("string")},
                }
            ),
            "conversations": List(
                {
                    "task": Value("string"),
                    "question": Value("string"),
                    "answer": Value("string"),
                    "dialogue": Value("int32"),
                    "language": Value("string"),
                    "request": Value("string"),
                }
            ),
        }
    )


_COLUMNS = ("image", "video_id", "frame_index", "time_s", "width", "height", "objects", "conversations")


def data_files(dataset: Path) -> list[Path]:
    """The parquet files of a dataset folder, in reading order.

    Raises:
        DatasetError: ``dataset_missing`` if there are none.
    """
    files = sorted((dataset / DATA_FOLDER).glob("*.parquet"))
    if not files:
        raise DatasetError(
            "dataset_missing",
            f"no instruction dataset: it has no {DATA_FOLDER}/*.parquet",
            file=str(dataset),
            remedy="Materialize instruction_dataset for this video, or give the folder that it published.",
        )
    return files


def _open(file: Path) -> pq.ParquetFile:
    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(
            "dataset_unreadable",
            f"not a readable parquet file ({error})",
            file=str(file),
            remedy="The file is damaged: materialize instruction_dataset again.",
        ) from error
    missing = [column for column in _COLUMNS if column not in opened.schema_arrow.names]
    if missing:
        raise DatasetError(
            "dataset_columns",
            "columns of an instruction dataset are missing",
            file=str(file),
            field="columns",
            value=missing,
            remedy="Give the folder of an instruction_dataset of this product.",
        )
    return opened


def read_rows(dataset: Path, *, frames: Collection[int] | None = None, pictures: bool = True) -> Iterator[Row]:
    """The rows of a dataset folder in order, one row group in memory at a time.

    Args:
        dataset: folder published by ``build_dataset``.
        frames: only these frame indices; row groups without any of them are not read.
        pictures: ``False`` leaves the pictures on disk (``image_bytes`` is empty): facts of 10,000 frames in a second.

    Raises:
        DatasetError: ``dataset_missing``, ``dataset_unreadable``, ``dataset_columns``.
    """
    columns = list(_COLUMNS) if pictures else [column for column in _COLUMNS if column != "image"]
    wanted = None if frames is None else set(frames)
    for file in data_files(dataset):
        with _open(file) as parquet:
            for group in range(parquet.num_row_groups):
                if wanted is not None:
                    indices = parquet.read_row_group(group, columns=["frame_index"]).column("frame_index").to_pylist()
                    if wanted.isdisjoint(indices):
                        continue
                for record in parquet.read_row_group(group, columns=columns).to_pylist():
                    if wanted is None or record["frame_index"] in wanted:
                        yield Row.from_record(record)
