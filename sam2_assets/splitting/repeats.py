"""The same recording under two names: used twice, it would put the same moments into train and test of a corpus.

An export's identity covers its painted pictures, so annotating a video again and exporting it again gives another
video id. The frames taken from the source video are then equal byte for byte, and what lies between the paint of the
export's own pictures is the same; both are looked for here. Two clips of one recording share a part of their frames:
both are used, but kept on one side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_assets.errors import DatasetError
from sam2_assets.exports.appearance import LEAST_AGREEMENT, SAME_LEVEL, Appearance, levels, same_video
from sam2_assets.splitting.facts import Member

# One equal picture may be a black one.
_LEAST_SHARED: Final = 2
# A tenth is what exports at 30 and at 3 frames a second have in common.
_LEAST_SHARE: Final = 0.1
# At other moments (another clock), so many pictures of the smaller one are in the larger: it is contained.
_CONTAINED_SHARE: Final = 0.9


_SAME_TIME_S: Final = 1e-3


@dataclass(frozen=True)
class Distinct:
    """Which videos a split uses.

    Args:
        kept: by partition.
        rejected: ``{"partition", "reason"}`` of the repeated ones, by partition.
        stands_for: of a rejected partition, the one that is used for it.
        overlaps: pairs of kept partitions that share moments, with the number of equal pictures.
    """

    kept: list[Member]
    rejected: list[dict[str, str]]
    stands_for: dict[str, str]
    overlaps: list[tuple[str, str, int]]

    @property
    def recordings(self) -> int:
        """How many of the kept videos there are if clips of one recording count once."""
        first = {member.partition: member.partition for member in self.kept}
        for one, two, _ in self.overlaps:
            first = {name: first[one] if group == first[two] else group for name, group in first.items()}
        return len(set(first.values()))


def one_a_video(members: Sequence[Member]) -> Distinct:
    """Keep one of each video: the one with most frames, of equals the first partition by name.

    Two show the same video if they have the same id, if they look the same where nothing is painted
    (``exports.appearance``), or if they share at least two pictures, byte for byte, that make up a tenth of the smaller
    one at the same moments, or nine tenths of it at whatever moments. Those that share less are two clips of one
    recording: an overlap.

    Raises:
        DatasetError: ``repeated_partition``.
    """
    names = [member.partition for member in members]
    if len(set(names)) != len(names):
        raise DatasetError(
            "repeated_partition",
            "a partition is given twice",
            field="sources",
            value=sorted(name for name in set(names) if names.count(name) > 1),
            remedy="Give each partition once.",
        )
    kept = _Kept()
    rejected, stands_for = [], {}
    for member in sorted(members, key=lambda m: (-len(m.frames), m.partition)):
        first, shared = kept.same_as(member)
        if first is None:
            kept.add(member)
            continue
        stands_for[member.partition] = first.partition
        rejected.append(
            {
                "partition": member.partition,
                "reason": f"shows the same video as {first.partition}, which is used "
                f"({len(first.frames)} frames; this has {len(member.frames)}, {shared} pictures are equal)",
            }
        )
    return Distinct(
        sorted(kept.members, key=lambda member: member.partition),
        sorted(rejected, key=lambda entry: entry["partition"]),
        stands_for,
        sorted(kept.overlaps),
    )


_Moment = tuple[int, float]
"""Frame index, and seconds."""


def _moments(member: Member) -> list[tuple[str, _Moment]]:
    """The known pictures of a video with their moments."""
    frames = member.frames
    columns = (frames["picture"].tolist(), frames["frame_index"].tolist(), frames["time_s"].tolist())
    return [(picture, (index, time)) for picture, index, time in zip(*columns, strict=True) if picture]


def _same_moment(one: _Moment, other: _Moment) -> bool:
    return one[0] == other[0] or abs(one[1] - other[1]) < _SAME_TIME_S


class _Kept:
    """The videos kept so far, indexed so that one more is not compared with each of them in turn."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.overlaps: list[tuple[str, str, int]] = []
        self._pictures: dict[str, list[tuple[int, _Moment]]] = {}
        self._ids: dict[str, int] = {}
        self._looks = _Looks()
        self._pending: dict[int, int] = {}

    def same_as(self, member: Member) -> tuple[Member | None, int]:
        """The kept video that this one repeats, if any, and how many of their pictures are equal."""
        shared: Counter[int] = Counter()
        together: Counter[int] = Counter()
        overlapping: Counter[int] = Counter()
        even = set(member.frames.loc[member.frames["phash"] == "", "picture"])
        for picture, moment in _moments(member):
            places = self._pictures.get(picture, ())
            shared.update({number for number, _ in places})
            # Black pictures at the start of two videos do not make them one recording.
            overlapping.update({number for number, _ in places if picture not in even})
            together.update({number for number, other in places if _same_moment(moment, other)})
        smaller = {n: min(len(member.frames), len(self.members[n].frames)) for n in shared}
        candidates = {
            n
            for n, size in smaller.items()
            if together[n] >= max(_LEAST_SHARED, _LEAST_SHARE * size)
            or shared[n] >= max(_LEAST_SHARED, _CONTAINED_SHARE * size)
        }
        candidates |= set(self._looks.like(member.appearance))
        if member.video_id in self._ids:
            candidates.add(self._ids[member.video_id])
        if candidates:
            number = min(candidates)
            return self.members[number], shared[number]
        self._pending = {number: count for number, count in overlapping.items() if count >= _LEAST_SHARED}
        return None, 0

    def add(self, member: Member) -> None:
        """Keep the video that was last asked about."""
        number = len(self.members)
        self.members.append(member)
        self._ids.setdefault(member.video_id, number)
        for picture, moment in _moments(member):
            self._pictures.setdefault(picture, []).append((number, moment))
        self._looks.add(number, member.appearance)
        for other, count in self._pending.items():
            one, two = sorted((self.members[other].partition, member.partition))
            self.overlaps.append((one, two, count))
        self._pending = {}


class _Looks:
    """Appearances by frame, so that a video is compared with all others in a few array operations."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, npt.NDArray[np.float64]]]] = {}
        self._of: dict[int, Appearance] = {}

    def add(self, number: int, appearance: Appearance) -> None:
        self._of[number] = appearance
        for index, text in appearance.items():
            self._rows.setdefault(index, []).append((number, levels(text)))

    def like(self, appearance: Appearance) -> list[int]:
        """The added ones that show the same video, by ``same_video``; it is only asked where a frame agrees."""
        near: set[int] = set()
        for index, text in appearance.items():
            own = levels(text)
            rows = [(number, row) for number, row in self._rows.get(index, ()) if len(row) == len(own)]
            if not rows:
                continue
            apart = np.abs(np.array([row for _, row in rows]) - own)
            compared = (~np.isnan(apart)).sum(axis=1)
            agreeing = (apart <= SAME_LEVEL).sum(axis=1)
            close = agreeing >= LEAST_AGREEMENT * np.maximum(compared, 1)
            near |= {number for (number, _), alike in zip(rows, close.tolist(), strict=True) if alike}
        return sorted(number for number in near if same_video(self._of[number], appearance))
