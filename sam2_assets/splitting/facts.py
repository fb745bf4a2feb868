"""What a split must know of each video: its frames' times, labels and fingerprints, its origin and its looks.

They are read from a video's dataset once and published beside its splits, as two small tables. A corpus reads these,
and of a video it already holds not even these: it keeps them with its own version.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sam2_assets.errors import DatasetError
from sam2_assets.exports.appearance import Appearance
from sam2_assets.instructions import main_object, read_rows
from sam2_assets.pixels import PICTURES_FILE, perceptual_hash
from sam2_assets.tables import FRAMES_FILE

VIDEOS_FILE: Final = "members/videos.parquet"
FRAME_FACTS_FILE: Final = "members/frames.parquet"
# The hash of an even picture is that of its noise: such pictures are compared byte by byte only.
_EVEN: Final = 0.01

_VIDEOS = pa.schema(
    [
        ("partition", pa.string()),
        ("video_id", pa.string()),
        ("dataset_sha256", pa.string()),
        ("waivers", pa.map_(pa.string(), pa.string())),
        ("appearance", pa.map_(pa.string(), pa.string())),
    ]
)
_FRAMES = pa.schema(
    [
        ("partition", pa.string()),
        ("frame_index", pa.int64()),
        ("time_s", pa.float64()),
        ("label", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("phash", pa.string()),
        ("picture", pa.string()),
    ]
)


@dataclass(frozen=True)
class Source:
    """A video that goes into a split, by the folders it lies in.

    Args:
        video_id: content identity of the video.
        partition: its key in the graph.
        dataset: local folder of its instruction dataset.
        dataset_ref: ``sha256`` of the published dataset, as it is to be recorded.
        waivers: gate to the reason for which a person waived it.
        appearance: what the video looks like, as its ``import.json`` has it; empty if not known.
        raw: local folder of its import, whose measures of the pictures are used; without it pictures are decoded.
    """

    video_id: str
    partition: str
    dataset: Path
    dataset_ref: dict[str, str]
    waivers: dict[str, str] = field(default_factory=dict)
    appearance: Appearance = field(default_factory=dict)
    raw: Path | None = None


@dataclass(frozen=True)
class Member:
    """A video as a split sees it.

    Args:
        partition: its key in the graph.
        video_id: content identity.
        dataset_sha256: of the published dataset.
        waivers: gate to reason.
        appearance: see ``exports.appearance``; empty if not known.
        frames: one row a frame, by time: ``frame_index``, ``time_s`` (seconds), ``label`` (of the largest object, empty
            if there is none), ``labels`` (of all objects), ``phash`` (16 hexadecimal digits; empty where the hash means
            nothing), ``picture`` (SHA-256 of the picture's bytes).
    """

    partition: str
    video_id: str
    dataset_sha256: str
    waivers: Mapping[str, str]
    appearance: Appearance
    frames: pd.DataFrame


def describe(source: Source) -> Member:
    """Read a video's facts from its dataset and, where given, its import.

    Raises:
        DatasetError: ``wrong_dataset``, ``no_samples``, and those of ``read_rows``.
    """
    known = _measured(source.raw)
    records = []
    for row in read_rows(source.dataset, pictures=known is None):
        if row.video_id != source.video_id:
            raise DatasetError(
                "wrong_dataset",
                f"the dataset is not of video {source.video_id}",
                file=str(source.dataset),
                field="video_id",
                value=row.video_id,
                remedy="Give each source the dataset of its own video.",
            )
        phash, picture = _fingerprints(row.image_bytes) if known is None else known.get(row.frame_index, ("", ""))
        label = main_object(row.objects).label if row.objects else ""
        labels = [found.label for found in row.objects]
        records.append((row.frame_index, row.time_s, label, labels, phash, picture))
    if not records:
        raise DatasetError(
            "no_samples",
            "the dataset has no frame",
            file=str(source.dataset),
            remedy="Leave the video out, or annotate objects and export with images.",
        )
    records.sort(key=lambda record: (record[1], record[0]))
    return Member(
        source.partition,
        source.video_id,
        source.dataset_ref["sha256"],
        dict(source.waivers),
        dict(source.appearance),
        pd.DataFrame(records, columns=_FRAMES.names[1:]),
    )


def _measured(raw: Path | None) -> dict[int, tuple[str, str]] | None:
    """Frame index to hash and SHA-256 of its picture, as the import measured them; None if it did not."""
    if raw is None or not (raw / PICTURES_FILE).is_file():
        return None
    pictures = pd.read_parquet(raw / PICTURES_FILE, columns=["frame_index", "problem", "contrast", "phash"])
    frames = pd.read_parquet(raw / FRAMES_FILE, columns=["frame_index", "image_sha256"])
    joined = pictures.merge(frames, on="frame_index")
    telling = (joined["problem"] == "") & (joined["contrast"] > _EVEN)
    hashes = joined["phash"].where(telling, "")
    pairs = zip(hashes.tolist(), joined["image_sha256"].tolist(), strict=True)
    return dict(zip(joined["frame_index"].tolist(), pairs, strict=True))


def _fingerprints(picture: bytes) -> tuple[str, str]:
    luma = Image.open(io.BytesIO(picture)).convert("L")
    even = float(np.asarray(luma).std()) / 255 <= _EVEN
    return "" if even else perceptual_hash(luma), hashlib.sha256(picture).hexdigest()


def write_members(members: Iterable[Member], folder: Path) -> None:
    """Write ``members/videos.parquet`` and ``members/frames.parquet``: the same members, the same bytes."""
    ordered = sorted(members, key=lambda member: member.partition)
    videos = [
        {
            "partition": member.partition,
            "video_id": member.video_id,
            "dataset_sha256": member.dataset_sha256,
            "waivers": sorted(member.waivers.items()),
            "appearance": sorted(member.appearance.items()),
        }
        for member in ordered
    ]
    (folder / VIDEOS_FILE).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(videos, schema=_VIDEOS), folder / VIDEOS_FILE)
    parts = [member.frames.assign(partition=member.partition)[_FRAMES.names] for member in ordered]
    table = pa.Table.from_pandas(pd.concat(parts, ignore_index=True), schema=_FRAMES, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), folder / FRAME_FACTS_FILE)


def read_members(folder: Path) -> dict[str, Member]:
    """What ``write_members`` wrote, by partition.

    Raises:
        DatasetError: ``members_missing``.
    """
    try:
        videos = pq.read_table(folder / VIDEOS_FILE).to_pylist(maps_as_pydicts="strict")
        frames = pq.read_table(folder / FRAME_FACTS_FILE).to_pandas()
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise DatasetError(
            "members_missing",
            "no readable facts of the videos",
            file=str(folder / VIDEOS_FILE),
            remedy="Materialize the video's splits again; those of an older version have none.",
        ) from error
    frames["labels"] = [list(labels) for labels in frames["labels"]]
    by_partition = dict(list(frames.groupby("partition", sort=True)))
    return {
        video["partition"]: Member(
            video["partition"],
            video["video_id"],
            video["dataset_sha256"],
            video["waivers"],
            video["appearance"],
            by_partition[video["partition"]].drop(columns="partition").reset_index(drop=True),
        )
        for video in videos
    }
