"""Splits of one or several videos: takes what is known of each, assigns every frame, writes the table and evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.instructions.reading import EVIDENCE_FILE, SPLITS_FILE
from sam2_assets.splitting.custom import CustomFile
from sam2_assets.splitting.duplicates import DUPLICATE, drop_alike, dropped_evidence
from sam2_assets.splitting.evidence import BALANCED_POINTS, USED, balance, leakage, majority, split_counts, too_uniform
from sam2_assets.splitting.facts import Member, Source, describe, write_members
from sam2_assets.splitting.labels import label_findings
from sam2_assets.splitting.repeats import Distinct, one_a_video
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.strategies import (
    Assigned,
    Previous,
    assign_all,
    recorded_sides,
)
from sam2_assets.splitting.stratified import stratify
from sam2_assets.splitting.temporal import GUARD, TRAIN, all_train

OVER_CAP = "over_cap"
CORPUS_ONLY = "corpus_only"
# These cut a video by time, so that one too short or too uniform for that trains whole.
_CUTTING = ("temporal", "stratified")

_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("frame_index", pa.int64()),
        ("time_s", pa.float64()),
        ("split", pa.string()),
        ("block", pa.string()),
        ("label", pa.string()),
        ("phash", pa.string()),
        ("picture", pa.string()),
    ]
)


@dataclass(frozen=True)
class SplitSummary:
    """What ``split`` published.

    Args:
        strategy: that was followed.
        strategy_reason: why, where that is not simply what was asked for.
        counts: frames by split.
        videos: used.
        leakage_frames: too near a frame of another split, in time or in looks.
        naive_leakage_share: of held frames that a random split would have put near a train frame.
        max_deviation_points: of a label's share in a split from its share in all.
        majority_share: score of the best constant answer.
        dropped: near-duplicates dropped, by the split they were of.
        corpus_only: partition to the reason why the video was not cut.
        used: partition to video id of the videos that are used.
        moved: frames of the version before that changed between train, val and test.
    """

    strategy: str
    strategy_reason: str
    counts: dict[str, int]
    videos: int
    leakage_frames: int
    naive_leakage_share: float
    max_deviation_points: float
    majority_share: float | None
    dropped: dict[str, int]
    corpus_only: dict[str, str]
    used: dict[str, str]
    moved: int


@dataclass(frozen=True)
class _Table:
    """All frames: the columns of ``splits.parquet``, and of each frame the labels of its objects."""

    frames: pd.DataFrame
    labels: list[list[str]]
    dropped: list[dict[str, Any]]


def check_ratios(settings: SplitSettings) -> None:
    """Refuse shares that are not those of one whole.

    Raises:
        SettingsError: ``ratios``.
    """
    total = settings.train + settings.val + settings.test
    if abs(total - 1) > 1e-6:
        raise SettingsError(
            "ratios",
            "train, val and test must add up to 1",
            field="splitting.train + val + test",
            value=round(total, 6),
            remedy="For example 0.8, 0.1 and 0.1.",
        )


def _without_the_uniform(assigned: Assigned, members: Sequence[Member], settings: SplitSettings) -> Assigned:
    """Videos that their own near-duplicates leave too little of are not cut: all their frames train, in a corpus.

    Only the video itself decides, so that others coming or going never change it.
    """
    videos = dict(assigned.videos)
    for member in members:
        cut = videos[member.partition]
        if cut.reason:
            continue
        frames = member.frames.assign(video_id=member.video_id)
        splits, dropped = drop_alike(frames, cut.splits, settings.near_duplicate_bits, settings.guard_gap_s)
        kept = sum(split in USED for split in splits) / len(splits)
        if dropped and too_uniform(splits, settings):
            videos[member.partition] = all_train(
                member.frames["time_s"].to_numpy(float),
                f"{len(dropped)} of {len(splits)} frames look like a val or test frame and would be dropped: "
                f"{kept:.0%} would be left (at least {settings.min_kept_share:.0%}, in all three splits, wanted)",
            )
    return replace(assigned, videos=videos)


def _table(assigned: Assigned, members: Sequence[Member], settings: SplitSettings) -> _Table:
    parts, labels = [], []
    for member in sorted(members, key=lambda each: each.video_id):
        cut = assigned.videos[member.partition]
        parts.append(
            member.frames.assign(
                video_id=member.video_id,
                split=cut.splits,
                block=[f"{member.video_id}:{block}" for block in cut.blocks],
            )[_SCHEMA.names]
        )
        labels += member.frames["labels"].tolist()
    frames = pd.concat(parts, ignore_index=True)
    dropped: list[dict[str, Any]] = []
    if assigned.strategy.name != "random":
        frames["split"], dropped = drop_alike(
            frames, frames["split"].tolist(), settings.near_duplicate_bits, settings.guard_gap_s
        )
    frames["split"] = _capped(frames, settings.max_train_frames_per_video)
    return _Table(frames, labels, dropped)


def _capped(frames: pd.DataFrame, most: int | None) -> list[str]:
    """The splits, with the train frames of each video thinned evenly to ``most``."""
    splits = frames["split"].to_numpy(object).copy()
    if most is not None:
        trained = np.flatnonzero(splits == TRAIN)
        for rows in frames.iloc[trained].groupby("video_id").indices.values():
            train = trained[rows]
            if len(train) > most:
                stays = {int(train[place * len(train) // most]) for place in range(most)}
                for row in train.tolist():
                    if row not in stays:
                        splits[row] = OVER_CAP
    return [str(split) for split in splits]


def _histograms(table: pd.DataFrame, labels: Sequence[Sequence[str]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in USED}
    for split, each in zip(table["split"].tolist(), labels, strict=True):
        if split in found:
            found[split].update(each)
    return found


def _main_labels(table: pd.DataFrame) -> list[list[str]]:
    return [[label] if label else [] for label in table["label"].tolist()]


def _balance_note(points: float, strategy: str, members: Sequence[Member], settings: SplitSettings) -> str:
    """Whether labels are balanced, and if not, what could be done."""
    if points <= BALANCED_POINTS:
        return f"every label's share in every split is within {BALANCED_POINTS:g} points of its share in all"
    said = f"not within {BALANCED_POINTS:g} points ({points:.1f})"
    if strategy == "video":
        return f"{said}: no video moved, and no two exchanged, among those that came new would lower it"
    if strategy == "stratified":
        return f"{said}: no place of the val and test blocks that was tried has less"
    if strategy != "temporal":
        return said
    other = stratify(members, settings)
    table = pd.concat(
        [member.frames.assign(split=other[member.partition].splits) for member in members], ignore_index=True
    )
    reached = balance(_histograms(table, _main_labels(table)))["max_deviation_points"]
    return f"{said}: blocks of time follow the video; strategy stratified would have {reached:.1f}"


def _evidence(
    assigned: Assigned,
    distinct: Distinct,
    table: _Table,
    rejected: Sequence[dict[str, str]],
    settings: SplitSettings,
    *,
    corpus: bool,
    custom: CustomFile | None,
    label_map: Mapping[str, str],
) -> dict[str, Any]:
    frames, strategy = table.frames, assigned.strategy
    members = sorted(distinct.kept, key=lambda member: member.video_id)
    main = _histograms(frames, _main_labels(frames))
    objects = _histograms(frames, table.labels)
    counts = split_counts(frames)
    used = sum(counts[name] for name in USED)
    main_balance = balance(main)
    points = main_balance["max_deviation_points"]
    leaks = leakage(frames, settings)
    waivers = [
        {"video_id": member.video_id, "partition": member.partition, "gate": gate, "reason": reason}
        for member in members
        for gate, reason in sorted(member.waivers.items())
    ]
    if settings.leakage_waiver and _leaking(leaks):
        place = {"video_id": "", "partition": "corpus"} if corpus else waiver_place(members[0])
        waivers.append({**place, "gate": "no_leakage", "reason": settings.leakage_waiver})
    return {
        "strategy": strategy.name,
        "strategy_asked": settings.strategy,
        "strategy_reason": strategy.reason,
        "settings": settings.model_dump(),
        "ratios": {
            "wanted": {name: getattr(settings, name) for name in USED},
            "reached": {name: round(counts[name] / used, 6) if used else 0.0 for name in USED},
        },
        "gap": settings.guard_gap_s,
        "sources": [
            {"video_id": m.video_id, "partition": m.partition, "dataset": {"sha256": m.dataset_sha256}} for m in members
        ],
        "counts": counts,
        "videos": [_video(member, assigned, frames) for member in members],
        "leakage": leaks,
        "near_duplicates": dropped_evidence(frames, table.dropped),
        "class_balance": {
            "main_object": main_balance,
            "all_objects": balance(objects),
            "balanced": points <= BALANCED_POINTS,
            "note": _balance_note(points, strategy.name, members, settings),
            "held_but_not_trained": sorted((set(main["val"]) | set(main["test"])) - set(objects["train"])),
        },
        "majority": majority(main),
        "overlaps": [{"partitions": [one, two], "equal_pictures": count} for one, two, count in distinct.overlaps],
        "labels": label_findings(members, label_map),
        "custom": None if custom is None else _followed(custom, members, whole_file=corpus),
        "sides": recorded_sides(distinct, assigned.sides, settings) if assigned.sides else None,
        "rejected": sorted(rejected, key=lambda entry: entry["partition"]),
        "waivers": waivers,
    }


def _followed(custom: CustomFile, members: Sequence[Member], *, whole_file: bool) -> dict[str, Any]:
    """Which file was followed; for a corpus also its lines about videos that are not there, as a typing error makes."""
    names = {name for member in members for name in (member.partition, member.video_id)}
    absent = [{"line": row.line, "video": row.video} for row in custom.rows if row.video not in names]
    return {"file": custom.name, "sha256": custom.sha256, "lines_without_video": absent if whole_file else []}


def waiver_place(member: Member) -> dict[str, str]:
    """Which video a waiver is about."""
    return {"video_id": member.video_id, "partition": member.partition}


def _leaking(leaks: Mapping[str, Any]) -> int:
    alike = leaks["near_duplicates"]
    return int(leaks["frames"] + leaks["test_frames_near_val"] + alike["frames"] + alike["test_frames_like_val"])


def _video(member: Member, assigned: Assigned, frames: pd.DataFrame) -> dict[str, Any]:
    own = frames[frames["video_id"] == member.video_id]
    cut = assigned.videos[member.partition]
    status = "split"
    if assigned.sides:
        status = f"whole: {assigned.sides[member.partition]}"
    elif cut.reason:
        status = CORPUS_ONLY if TRAIN in cut.splits else "not_used"
    return {
        "video_id": member.video_id,
        "partition": member.partition,
        "status": status,
        "reason": cut.reason or None,
        "counts": split_counts(own),
        "test_blocks": int(own.loc[own["split"] == "test", "block"].nunique()),
    }


def split(
    sources: Sequence[Source | Member],
    out: Path,
    settings: SplitSettings,
    *,
    rejected: Sequence[dict[str, str]] = (),
    corpus: bool | None = None,
    custom: CustomFile | None = None,
    previous: Previous | None = None,
    label_map: Mapping[str, str] | None = None,
) -> SplitSummary:
    """Assign every frame of every source; write ``splits.parquet``, ``splits.json`` and ``members/``.

    A frame goes to ``train``, ``val`` or ``test``, or is not used: ``guard`` (between splits), ``duplicate`` (looks
    like a frame of a more precious split), ``over_cap``. Under the temporal strategy a video's cut depends on its own
    frames and the settings only. A video that cannot be cut, or that guards and near-duplicates leave too little of,
    trains whole and is listed as corpus only with the reason; alone, it then fails ``enough_samples``. Of two sources
    that show the same video (see ``repeats``), the one with more frames is used and the other listed as rejected.

    Args:
        sources: one (per-video training) or several (corpus), in any order; of members nothing is read.
        out: folder to write; made if absent.
        settings: strategy, ratios, gap and gate thresholds.
        rejected: ``{"partition", "reason"}`` of videos that were left out before; recorded as given.
        corpus: whether this is a split of a corpus, which may be of one video; by default if there are several sources.
        custom: the parsed file of strategy custom.
        previous: the version before this one, if there is one: videos keep the side or the cut that it recorded.
        label_map: ``importing.label_map`` for all exports, to find videos imported without it.

    Raises:
        SettingsError: ``ratios``.
        DatasetError: ``no_sources``, ``repeated_partition``, ``wrong_dataset``, ``no_samples``, ``custom_missing``,
            ``custom_frames_absent``, and those of ``read_rows``.
    """
    check_ratios(settings)
    if not sources:
        raise DatasetError(
            "no_sources",
            "there is no video to split",
            value=[entry["partition"] for entry in rejected],
            remedy="At least one video must pass its gates: see the reasons of the rejected ones.",
        )
    members = [describe(source) if isinstance(source, Source) else source for source in sources]
    distinct = one_a_video(members)
    whole = len(sources) > 1 if corpus is None else corpus
    assigned = assign_all(distinct, settings, corpus=whole, custom=custom, previous=previous)
    if assigned.strategy.name in _CUTTING:
        assigned = _without_the_uniform(assigned, distinct.kept, settings)
    table = _table(assigned, distinct.kept, settings)
    evidence = _evidence(
        assigned,
        distinct,
        table,
        [*rejected, *distinct.rejected],
        settings,
        corpus=whole,
        custom=custom if assigned.strategy.name == "custom" else None,
        label_map=label_map or {},
    )
    out.mkdir(parents=True, exist_ok=True)
    written = pa.Table.from_pandas(table.frames, schema=_SCHEMA, preserve_index=False)
    pq.write_table(written.replace_schema_metadata(None), out / SPLITS_FILE)
    (out / EVIDENCE_FILE).write_bytes(orjson.dumps(evidence, option=orjson.OPT_INDENT_2) + b"\n")
    write_members(members, out)
    return SplitSummary(
        strategy=evidence["strategy"],
        strategy_reason=evidence["strategy_reason"],
        counts=evidence["counts"],
        videos=len(distinct.kept),
        leakage_frames=_leaking(evidence["leakage"]),
        naive_leakage_share=evidence["leakage"]["naive_random_split"]["share"],
        max_deviation_points=evidence["class_balance"]["main_object"]["max_deviation_points"],
        majority_share=evidence["majority"]["test_share"],
        dropped=evidence["near_duplicates"]["dropped"],
        corpus_only={v["partition"]: v["reason"] for v in evidence["videos"] if v["status"] == CORPUS_ONLY},
        used={member.partition: member.video_id for member in distinct.kept},
        moved=0 if previous is None else _moved(previous.table, table.frames),
    )


def _moved(before: pd.DataFrame, now: pd.DataFrame) -> int:
    """Frames of both versions that one uses for one purpose and the other for another."""
    columns = ["video_id", "frame_index", "split"]
    both = before.loc[before["split"].isin(USED), columns].merge(
        now.loc[now["split"].isin(USED), columns], on=columns[:2], suffixes=("_before", "_now")
    )
    return int((both["split_before"] != both["split_now"]).sum())


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


__all__ = ["DUPLICATE", "GUARD", "Previous", "SplitSummary", "read_splits", "split"]
