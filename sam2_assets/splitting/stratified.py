"""The stratified strategy: val and test blocks lie where in a video they balance the labels, with guards around them.

As in the temporal strategy a stretch of a video has one val and one test block, and frames within the guard gap of a
block of another split are not used. But the blocks need not come last: they may lie anywhere, also between two parts of
the train block, which costs up to two guards more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sam2_assets.splitting.evidence import USED
from sam2_assets.splitting.facts import Member
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.temporal import (
    GUARD,
    TEST,
    TRAIN,
    VAL,
    Assignment,
    Times,
    all_train,
    best_cuts,
    edges_of_segments,
    kept_too_few,
    sub_blocks,
)

_PLACES: Final = 16
_SWEEPS: Final = 4
_ROUNDING_S: Final = 1e-9
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Candidates:
    """Ways to cut one segment of a video.

    Args:
        windows: ``(ways, 4)``: start and end of the val block, start and end of the test block, rows of the video.
        labels: ``(ways, 3, labels)``: frames of each label in train, val and test.
        first: the way to begin with: that of the temporal strategy where it is one of them.
    """

    windows: npt.NDArray[np.int64]
    labels: Counts
    first: int = 0


def stratify(
    members: Sequence[Member], settings: SplitSettings, fixed: Mapping[str, Assignment] | None = None
) -> dict[str, Assignment]:
    """Assign the frames of videos so that labels are as even over the splits as their places in time allow.

    Every segment begins cut as the temporal strategy cuts it. Then each in turn takes the way that, given all the
    others, leaves the smallest deviation of a label's share and of a split's size, until nothing improves.

    Args:
        members: the videos, in an order that does not depend on when they came.
        settings: ratios, gap, segments and sizes.
        fixed: partition to the assignment that it keeps.

    Returns:
        Partition to assignment.
    """
    fixed = fixed or {}
    vocabulary = sorted({label for member in members for label in member.frames["label"].tolist()})
    total = np.zeros((3, len(vocabulary)))
    cuts: dict[str, list[_Candidates]] = {}
    found: dict[str, Assignment] = {}
    for member in members:
        hot = _hot(member, vocabulary)
        if member.partition in fixed:
            found[member.partition] = fixed[member.partition]
            splits = np.array(fixed[member.partition].splits, object)
            total += np.stack([hot[splits == side].sum(axis=0) for side in USED])
            continue
        times = member.frames["time_s"].to_numpy(float)
        segments = [_candidates(times, hot, start, end, settings) for start, end in edges_of_segments(times, settings)]
        if not all(len(each.windows) for each in segments):
            found[member.partition] = all_train(
                times,
                f"the video ({len(times)} frames, {times[-1] - times[0]:.2f} s) cannot hold a train, a val and a test "
                f"block {settings.guard_gap_s:g} s apart and keep {settings.min_kept_share:.0%} of its frames",
            )
            total[0] += hot.sum(axis=0)
        else:
            cuts[member.partition] = segments
    chosen = _choose([each for segments in cuts.values() for each in segments], total, settings)
    place = 0
    for member in members:
        if member.partition in cuts:
            segments = cuts[member.partition]
            windows = [each.windows[chosen[place + i]] for i, each in enumerate(segments)]
            place += len(segments)
            found[member.partition] = _assignment(member.frames["time_s"].to_numpy(float), windows, settings)
    return found


def _hot(member: Member, vocabulary: Sequence[str]) -> Counts:
    """``(frames, labels)``: 1 where a frame's main object has the label."""
    numbers = {label: number for number, label in enumerate(vocabulary)}
    hot = np.zeros((len(member.frames), len(vocabulary)))
    hot[np.arange(len(hot)), [numbers[label] for label in member.frames["label"].tolist()]] = 1
    return hot


def _candidates(times: Times, hot: Counts, start: int, end: int, settings: SplitSettings) -> _Candidates:
    """Val and test blocks at a grid of places of rows ``start`` to ``end``.

    Where there are several segments, blocks keep half a gap from the segment's ends, so that those of two segments are
    a gap apart.
    """
    gap, count = settings.guard_gap_s, end - start
    none = _Candidates(np.zeros((0, 4), np.int64), np.zeros((0, 3, hot.shape[1])))
    if count < 3:
        return none
    inner = gap / 2 if settings.segments > 1 else 0.0
    first = int(np.searchsorted(times, times[start] + inner - _ROUNDING_S))
    last = int(np.searchsorted(times, times[end - 1] - inner + _ROUNDING_S, side="right"))
    frame_s = max(float(np.median(np.diff(times[start:end]))), _ROUNDING_S)
    guard = max(0, int(np.ceil(gap / frame_s - 1e-6)) - 1)
    windows: set[tuple[int, int, int, int]] = set()
    for guards in (2, 3, 4):
        kept = max(3, count - guards * guard)
        val, test = (max(1, round(kept * share)) for share in (settings.val, settings.test))
        for one in _places(first, last, val):
            for two in _places(first, last, test):
                windows.add((one, one + val, two, two + test))
    by_time = best_cuts(times[start:end], settings) if settings.segments == 1 else None
    usual = None if by_time is None else (by_time[1], by_time[2], by_time[3], count)
    if usual is not None:
        windows.add(usual)
    ways = np.array(sorted(windows), np.int64).reshape(-1, 4)
    reach = _reach(times, ways, gap)
    apart = (ways[:, 2] >= reach[:, 1]) | (ways[:, 0] >= reach[:, 3])
    ways, reach = ways[apart], reach[apart]
    sums = np.concatenate([np.zeros((1, hot.shape[1])), np.cumsum(hot, axis=0)])

    def of(begin: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> Counts:
        return np.asarray(sums[np.maximum(begin, stop)] - sums[begin])

    # What the two blocks with their guards take from the train block; guards that meet count once.
    early = np.where(ways[:, 0] < ways[:, 2], 0, 2)
    rows = np.arange(len(ways))
    from_one, to_one = np.maximum(reach[rows, early], start), np.minimum(reach[rows, early + 1], end)
    from_two, to_two = np.maximum(reach[rows, 2 - early], start), np.minimum(reach[rows, 3 - early], end)
    train = of(np.full(len(ways), start), from_one) + of(to_one, from_two) + of(to_two, np.full(len(ways), end))
    labels = np.stack([train, of(ways[:, 0], ways[:, 1]), of(ways[:, 2], ways[:, 3])], axis=1)
    whole = (labels.sum(axis=2) > 0).all(axis=1) & (labels.sum(axis=(1, 2)) >= settings.min_kept_share * count)
    ways, labels = ways[whole], labels[whole]
    found = np.flatnonzero((ways == np.array(usual or (-1,) * 4)).all(axis=1))
    return _Candidates(ways, labels, int(found[0]) if len(found) else 0)


def _places(first: int, last: int, length: int) -> list[int]:
    """Rows where a block of so many frames can begin, at most so many, evenly spread with both ends."""
    if last - first < length:
        return []
    return sorted({round(place) for place in np.linspace(first, last - length, _PLACES).tolist()})


def _reach(times: Times, ways: npt.NDArray[np.int64], gap: float) -> npt.NDArray[np.int64]:
    """``(ways, 4)``: first row within the gap of the val block, first row after it that is not; the same for test."""
    columns = []
    for start, end in ((0, 1), (2, 3)):
        columns.append(np.searchsorted(times, times[ways[:, start]] - gap + _ROUNDING_S, side="right"))
        columns.append(np.searchsorted(times, times[ways[:, end] - 1] + gap - _ROUNDING_S, side="left"))
    return np.stack(columns, axis=1).astype(np.int64)


def _choose(segments: Sequence[_Candidates], total: Counts, settings: SplitSettings) -> list[int]:
    """The way to cut each segment; ``total`` holds what is assigned already."""
    ratios = np.array([settings.train, settings.val, settings.test])
    chosen = [segment.first for segment in segments]
    total = total + sum((segment.labels[segment.first] for segment in segments), np.zeros_like(total))
    for _ in range(_SWEEPS):
        changed = False
        for number, segment in enumerate(segments):
            total = total - segment.labels[chosen[number]]
            best = int(np.argmin(_costs(total[None] + segment.labels, ratios)))
            changed |= best != chosen[number]
            chosen[number] = best
            total = total + segment.labels[best]
        if not changed:
            break
    return chosen


def _costs(labels: Counts, ratios: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each way: the largest deviations in points, of labels and, counting half, of sizes.

    The sum of all label deviations leads where the largest is not in this segment's power; frames lost to guards break
    ties.
    """
    sizes = labels.sum(axis=2)
    everything = sizes.sum(axis=1, keepdims=True)
    overall = labels.sum(axis=1, keepdims=True) / np.maximum(everything[:, :, None], 1)
    points = np.abs(labels / np.maximum(sizes[:, :, None], 1) - overall) * 100
    size_points = np.abs(sizes / np.maximum(everything, 1) - ratios).max(axis=1) * 100
    largest, all_of_them = points.max(axis=(1, 2)), points.sum(axis=(1, 2))
    return np.asarray(np.round(largest + size_points / 2 + all_of_them / 20 - everything[:, 0] * 1e-4, 9))


def _assignment(times: Times, windows: Sequence[npt.NDArray[np.int64]], settings: SplitSettings) -> Assignment:
    splits, blocks = [TRAIN] * len(times), [""] * len(times)
    reach = _reach(times, np.array(windows), settings.guard_gap_s)
    for begin, stop in (*reach[:, :2], *reach[:, 2:]):
        splits[begin:stop] = [GUARD] * (stop - begin)
    for segment, (val_start, val_end, test_start, test_end) in enumerate(np.array(windows).tolist()):
        for row in range(val_start, val_end):
            splits[row], blocks[row] = VAL, f"{VAL}:{segment}"
        parts = sub_blocks(times[test_start:test_end], settings.block_s)
        for row, part in zip(range(test_start, test_end), parts, strict=True):
            splits[row], blocks[row] = TEST, f"{TEST}:{segment}.{part}"
    run = 0
    for row, split in enumerate(splits):
        if split == GUARD:
            blocks[row] = GUARD
        elif split == TRAIN:
            run += row > 0 and splits[row - 1] != TRAIN
            blocks[row] = f"{TRAIN}:{run}"
    return kept_too_few(times, splits, settings) or Assignment(splits, blocks)
