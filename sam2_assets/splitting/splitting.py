"""Splits of one or several videos: reads their datasets, assigns every frame, writes the table and its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.exports.appearance import Appearance
from sam2_assets.instructions import main_object, read_rows
from sam2_assets.splitting.evidence import USED, balance, leakage, majority, split_counts
from sam2_assets.splitting.repeats import Candidate, one_a_video
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.temporal import assign

SPLITS_FILE = "splits.parquet"
EVIDENCE_FILE = "splits.json"

_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("frame_index", pa.int64()),
        ("time_s", pa.float64()),
        ("split", pa.string()),
        ("block", pa.string()),
        ("label", pa.string()),
    ]
)


@dataclass(frozen=True)
class Source:
    """A video that goes into a split.

    Args:
        video_id: content identity of the video.
        partition: its key in the graph.
        dataset: local folder of its instruction dataset.
        dataset_ref: ``path`` and ``sha256`` of the published dataset, as they are to be recorded.
        waivers: gate to the reason for which a person waived it.
        appearance: what the video looks like, as its ``import.json`` has it; empty if not known.
    """

    video_id: str
    partition: str
    dataset: Path
    dataset_ref: dict[str, str]
    waivers: dict[str, str] = field(default_factory=dict)
    appearance: Appearance = field(default_factory=dict)


@dataclass(frozen=True)
class SplitSummary:
    """What ``split`` published: frames by split, leaking frames, and the videos that were not cut, with the reason."""

    counts: dict[str, int]
    videos: int
    leakage_frames: int
    naive_leakage_share: float
    max_deviation_points: float
    majority_share: float | None
    too_short: dict[str, str]


@dataclass(frozen=True)
class _Video:
    source: Source
    table: pd.DataFrame
    object_labels: dict[str, Counter[str]]
    too_short: str


def _check_ratios(settings: SplitSettings) -> None:
    total = settings.train + settings.val + settings.test
    if abs(total - 1) > 1e-6:
        raise SettingsError(
            "ratios",
            "train, val and test must add up to 1",
            field="train + val + test",
            value=round(total, 6),
            remedy="For example 0.8, 0.1 and 0.1.",
        )


def _assign_video(source: Source, settings: SplitSettings) -> _Video:
    facts = []
    labels = []
    for row in read_rows(source.dataset, pictures=False):
        if row.video_id != source.video_id:
            raise DatasetError(
                "wrong_dataset",
                f"the dataset is not of video {source.video_id}",
                file=str(source.dataset),
                field="video_id",
                value=row.video_id,
                remedy="Give each source the dataset of its own video.",
            )
        facts.append((row.time_s, row.frame_index, main_object(row.objects).label))
        labels.append([found.label for found in row.objects])
    if not facts:
        raise DatasetError(
            "no_samples",
            "the dataset has no frame",
            file=str(source.dataset),
            remedy="Leave the video out, or annotate objects and export with images.",
        )
    order = sorted(range(len(facts)), key=lambda i: facts[i][:2])
    assigned = assign(np.array([facts[i][0] for i in order]), settings)
    object_labels: dict[str, Counter[str]] = {name: Counter() for name in USED}
    for i, name in zip(order, assigned.splits, strict=True):
        if name in object_labels:
            object_labels[name].update(labels[i])
    table = pd.DataFrame(
        {
            "video_id": source.video_id,
            "frame_index": [facts[i][1] for i in order],
            "time_s": [facts[i][0] for i in order],
            "split": assigned.splits,
            "block": [f"{source.video_id}:{block}" for block in assigned.blocks],
            "label": [facts[i][2] for i in order],
        }
    )
    return _Video(source, table, object_labels, assigned.too_short)


def _evidence(
    videos: Sequence[_Video], table: pd.DataFrame, rejected: Sequence[dict[str, str]], settings: SplitSettings
) -> dict[str, Any]:
    main = {name: Counter(table.loc[table["split"] == name, "label"].tolist()) for name in USED}
    objects: dict[str, Counter[str]] = {name: Counter() for name in USED}
    for video in videos:
        for name in USED:
            objects[name].update(video.object_labels[name])
    counts = split_counts(table)
    used = sum(counts[name] for name in USED)
    return {
        "strategy": settings.strategy,
        "settings": settings.model_dump(),
        "ratios": {
            "wanted": {name: getattr(settings, name) for name in USED},
            "reached": {name: round(counts[name] / used, 6) for name in USED},
        },
        "gap": settings.guard_gap_s,
        "sources": [
            {"video_id": v.source.video_id, "partition": v.source.partition, "dataset": v.source.dataset_ref}
            for v in videos
        ],
        "counts": counts,
        "videos": [
            {
                "video_id": v.source.video_id,
                "partition": v.source.partition,
                "status": "too_short" if v.too_short else "split",
                "reason": v.too_short or None,
                "counts": split_counts(v.table),
                "test_blocks": int(v.table.loc[v.table["split"] == "test", "block"].nunique()),
            }
            for v in videos
        ],
        "leakage": leakage(table, settings),
        "class_balance": {"main_object": balance(main), "all_objects": balance(objects)},
        "majority": majority(main),
        "rejected": sorted(rejected, key=lambda entry: entry["partition"]),
        "waivers": [
            {"video_id": v.source.video_id, "partition": v.source.partition, "gate": gate, "reason": reason}
            for v in videos
            for gate, reason in sorted(v.source.waivers.items())
        ],
    }


def split(
    sources: Sequence[Source],
    out: Path,
    settings: SplitSettings,
    *,
    rejected: Sequence[dict[str, str]] = (),
) -> SplitSummary:
    """Assign every frame of every source to train, val, test or guard; write ``splits.parquet`` and ``splits.json``.

    A video's assignment depends on its own frame times and the settings only. A video too short to be cut trains
    whole and is listed with the reason; alone, it then fails ``enough_samples``. Of two sources that show the same
    video (see ``repeats``), the one with more frames is used and the other listed as rejected.

    Args:
        sources: one (per-video training) or several (corpus), in any order.
        out: folder to write; made if absent.
        settings: ratios, gap, segments and gate thresholds.
        rejected: ``{"partition", "reason"}`` of videos that were left out before; recorded as given.

    Raises:
        SettingsError: ``ratios``.
        DatasetError: ``no_sources``, ``repeated_partition``, ``wrong_dataset``, ``no_samples``, and those of
            ``read_rows``.
    """
    _check_ratios(settings)
    if not sources:
        raise DatasetError(
            "no_sources",
            "there is no video to split",
            value=[entry["partition"] for entry in rejected],
            remedy="At least one video must pass its gates: see the reasons of the rejected ones.",
        )
    kept, repeated = one_a_video(
        [Candidate(source.partition, source.video_id, source.dataset, source.appearance) for source in sources]
    )
    videos = sorted(
        (_assign_video(source, settings) for source in sources if source.partition in kept),
        key=lambda video: video.source.video_id,
    )
    table = pd.concat([video.table for video in videos], ignore_index=True)
    evidence = _evidence(videos, table, [*rejected, *repeated], settings)
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pandas(table, schema=_SCHEMA, preserve_index=False), out / SPLITS_FILE)
    (out / EVIDENCE_FILE).write_bytes(orjson.dumps(evidence, option=orjson.OPT_INDENT_2) + b"\n")
    return SplitSummary(
        counts=evidence["counts"],
        videos=len(videos),
        leakage_frames=evidence["leakage"]["frames"] + evidence["leakage"]["test_frames_near_val"],
        naive_leakage_share=evidence["leakage"]["naive_random_split"]["share"],
        max_deviation_points=evidence["class_balance"]["main_object"]["max_deviation_points"],
        majority_share=evidence["majority"]["test_share"],
        too_short={v.source.partition: v.too_short for v in videos if v.too_short},
    )


def read_splits(folder: Path) -> pd.DataFrame:
    """The table of a published split.

    Raises:
        DatasetError: ``splits_missing``.
    """
    try:
        table: pd.DataFrame = pq.read_table(folder / SPLITS_FILE).to_pandas()
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise DatasetError(
            "splits_missing",
            "no readable split table",
            file=str(folder / SPLITS_FILE),
            remedy="Materialize splits first, or give the folder that it published.",
        ) from error
    return table
