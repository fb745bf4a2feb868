"""Which strategy a split follows, and the assignment of every video by it, before near-duplicates are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pandas as pd

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.reading import EVIDENCE_FILE, SPLITS_FILE
from sam2_assets.splitting.by_video import SIDES, Unit, deal
from sam2_assets.splitting.custom import CustomFile
from sam2_assets.splitting.facts import Member, read_members
from sam2_assets.splitting.repeats import Distinct
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.shuffled import shuffle
from sam2_assets.splitting.stratified import stratify
from sam2_assets.splitting.temporal import Assignment, assign

_FEWEST_BY_VIDEO: Final = 3
# What a stratified cut depends on: with another of these, a video's earlier cut is not kept.
_CUT_BY: Final = ("train", "val", "test", "guard_gap_s", "segments", "block_s", "min_kept_share", "seed", "resplit")


@dataclass(frozen=True)
class Previous:
    """An earlier version of the same split: its evidence, its table, and the videos it knew."""

    evidence: dict[str, Any]
    table: pd.DataFrame
    members: dict[str, Member]

    @classmethod
    def read(cls, folder: Path) -> Previous:
        """From the folder it published.

        Raises:
            DatasetError: ``members_missing`` for a version that recorded no members.
        """
        members = read_members(folder)
        evidence = orjson.loads((folder / EVIDENCE_FILE).read_bytes())
        return cls(evidence, pd.read_parquet(folder / SPLITS_FILE), members)

    def sides(self, settings: SplitSettings) -> dict[str, str]:
        """The side of every partition, and of every video id, that was dealt by video; empty if all are dealt anew."""
        dealt = self.evidence.get("sides")
        if not dealt or dealt["seed"] != settings.seed or dealt["resplit"] != settings.resplit:
            return {}
        return {**dealt["video_ids"], **dealt["partitions"]}

    def followed(self, settings: SplitSettings) -> str:
        """What strategy auto chose then, if it is not to choose anew; empty if it is."""
        recorded = self.evidence["settings"]
        same = all(recorded.get(name) == getattr(settings, name) for name in ("strategy", "seed", "resplit"))
        return str(self.evidence["strategy"]) if same and settings.strategy == "auto" else ""

    def cuts(self, members: Sequence[Member], settings: SplitSettings) -> dict[str, Assignment]:
        """The stratified cuts of videos that have not changed since, by partition."""
        recorded = self.evidence["settings"]
        now = settings.model_dump()
        if self.evidence["strategy"] != "stratified" or any(recorded.get(name) != now[name] for name in _CUT_BY):
            return {}
        reasons = {video["partition"]: video["reason"] for video in self.evidence["videos"]}
        rows = dict(list(self.table.groupby("video_id", sort=False)))
        kept = {}
        for member in members:
            before = self.members.get(member.partition)
            own = rows.get(member.video_id)
            cut = member.partition in reasons and reasons[member.partition] is None
            if before is None or own is None or not cut or before.dataset_sha256 != member.dataset_sha256:
                continue
            blocks = [block.removeprefix(f"{member.video_id}:") for block in own["block"].tolist()]
            kept[member.partition] = Assignment([block.partition(":")[0] for block in blocks], blocks)
        return kept


@dataclass(frozen=True)
class Strategy:
    """The strategy that is followed, and why, where it is not simply what was asked for."""

    name: str
    reason: str


@dataclass(frozen=True)
class Assigned:
    """Every video's assignment, by partition; ``sides`` only where whole videos were dealt."""

    strategy: Strategy
    videos: dict[str, Assignment]
    sides: dict[str, str]


def choose_strategy(videos: int, settings: SplitSettings, *, corpus: bool, before: str = "") -> Strategy:
    """What ``splitting.strategy`` means for so many different videos.

    Args:
        videos: that are used, clips of one recording counted once.
        settings: asked strategy and ``min_videos``.
        corpus: whether this is the split of all videos.
        before: what auto chose for the version before, if that is to be kept: going from one to the other would put
            frames that were tested on into train.
    """
    asked = settings.strategy
    few = "1 video" if videos == 1 else f"{videos} videos"
    if asked == "video" and videos < _FEWEST_BY_VIDEO:
        return Strategy("temporal", f"by video was asked for, but {few} cannot fill train, val and test")
    if asked != "auto":
        return Strategy(asked, "")
    if not corpus:
        return Strategy("temporal", "")
    enough = videos >= settings.min_videos
    if enough and before == "temporal":
        return Strategy(
            "temporal",
            f"kept from the version before, so that no frame changes sides; {few} are enough to hold whole ones back: "
            f"raise splitting.resplit to {settings.resplit + 1} for that",
        )
    if enough:
        return Strategy("video", "")
    if before == "video" and videos >= _FEWEST_BY_VIDEO:
        return Strategy("video", f"kept from the version before, though {few} are less than min_videos")
    return Strategy("temporal", f"{few}: by video needs {settings.min_videos} (splitting.min_videos)")


def assign_all(
    distinct: Distinct,
    settings: SplitSettings,
    *,
    corpus: bool,
    custom: CustomFile | None,
    previous: Previous | None,
) -> Assigned:
    """Assign the frames of every video.

    Args:
        distinct: the videos that are used, and what they stand for.
        settings: strategy, ratios, gap and so on.
        corpus: whether this is the split of all videos.
        custom: the file of strategy custom.
        previous: the version before, whose sides and cuts are kept.

    Raises:
        DatasetError: ``custom_missing``, and those of ``CustomFile.assign``.
    """
    members = distinct.kept
    before = previous.sides(settings) if previous else {}
    kept = previous.followed(settings) if previous else ""
    strategy = choose_strategy(distinct.recordings, settings, corpus=corpus, before=kept)
    if strategy.name == "video":
        sides = _deal(distinct, before, settings)
        whole = {}
        for member in members:
            side = [sides[member.partition]] * len(member.frames)
            whole[member.partition] = Assignment(side, side)
        return Assigned(strategy, whole, sides)
    if strategy.name == "stratified":
        fixed = previous.cuts(members, settings) if previous else {}
        return Assigned(strategy, stratify(members, settings, fixed), {})
    if strategy.name == "custom":
        if custom is None:
            raise DatasetError(
                "custom_missing",
                "strategy custom needs a file that assigns the frames",
                file=settings.custom_file,
                remedy="Give it (docs/splits.md describes it), or choose another splitting.strategy.",
            )
        return Assigned(strategy, {m.partition: custom.assign(m, settings.block_s) for m in members}, {})
    if strategy.name == "random":
        dealt = {m.partition: shuffle(m.video_id, len(m.frames), settings) for m in members}
        return Assigned(strategy, dealt, {})
    cut = {m.partition: assign(m.frames["time_s"].to_numpy(float), settings) for m in members}
    return Assigned(strategy, cut, {})


def _deal(distinct: Distinct, before: dict[str, str], settings: SplitSettings) -> dict[str, str]:
    """The side of every video that is used. Clips of one recording go to one side.

    A video that had a side keeps it, also under another partition, and also where it now stands for the copy of it that
    had one. A new clip of a recording goes where that is; if its parts lie on two sides, where most equal pictures are.
    """
    copies: dict[str, list[str]] = {}
    for repeated, used in sorted(distinct.stands_for.items()):
        copies.setdefault(used, []).append(repeated)
    fixed: dict[str, str] = {}
    for member in distinct.kept:
        names = (member.partition, member.video_id, *copies.get(member.partition, ()))
        side = next((before[name] for name in names if name in before), None)
        if side is not None:
            fixed[member.partition] = side
    settled = frozenset(fixed)
    for one, two, _ in sorted(distinct.overlaps, key=lambda each: (-each[2], each[0], each[1])):
        for new, known in ((one, two), (two, one)):
            if new not in fixed and known in settled:
                fixed[new] = fixed[known]
    groups = {member.partition: member.partition for member in distinct.kept}
    for one, two, _ in distinct.overlaps:
        if one not in fixed and two not in fixed:
            first, second = sorted((groups[one], groups[two]))
            groups = {name: first if group == second else group for name, group in groups.items()}
    units = []
    by_name = {member.partition: member for member in distinct.kept}
    for name in sorted(set(groups.values())):
        inside = [by_name[p] for p, group in sorted(groups.items()) if group == name]
        labels: Counter[str] = Counter()
        for member in inside:
            labels.update(member.frames["label"].tolist())
        units.append(Unit(name, sum(len(member.frames) for member in inside), labels))
    dealt = deal(units, fixed, settings)
    return {partition: dealt[group] for partition, group in groups.items()}


def recorded_sides(distinct: Distinct, sides: dict[str, str], settings: SplitSettings) -> dict[str, Any]:
    """What the next version needs to leave every video where it is."""
    partitions = dict(sides)
    for repeated, used in distinct.stands_for.items():
        partitions[repeated] = sides[used]
    return {
        "seed": settings.seed,
        "resplit": settings.resplit,
        "partitions": dict(sorted(partitions.items())),
        "video_ids": {member.video_id: sides[member.partition] for member in distinct.kept},
        "videos": {side: sum(each == side for each in sides.values()) for side in SIDES},
    }
