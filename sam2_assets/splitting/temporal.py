"""The temporal strategy: where to cut one video's timeline into train, val and test blocks with guards between them.

Pure functions of frame times; nothing here knows other videos, so a video's assignment never depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam2_assets.splitting.settings import SplitSettings

Times = npt.NDArray[np.float64]

TRAIN, VAL, TEST, GUARD = "train", "val", "test", "guard"

# Times are multiples of a frame's duration in binary floats: 0.1 * 13 - 0.1 * 3 must count as one second.
_ROUNDING_S = 1e-9


@dataclass(frozen=True)
class Assignment:
    """What became of each frame of one video, in the order of its times.

    Args:
        splits: ``train``, ``val``, ``test`` or ``guard``.
        blocks: name of the frame's block within the video, e.g. ``test:0.2``.
        reason: why the video was not cut (then every frame is ``train``, or none is used); empty if it was.
    """

    splits: list[str]
    blocks: list[str]
    reason: str = ""


def _first_after_gap(times: Times, gap: float) -> npt.NDArray[np.int64]:
    """For a block that ends before frame ``i`` (``i`` >= 1): the first frame at least ``gap`` after its last frame."""
    ends = np.arange(1, len(times) + 1)
    clear = np.searchsorted(times, times + gap - _ROUNDING_S, side="left")
    return np.concatenate([[0], np.maximum(ends, clear)]).astype(np.int64)


def best_cuts(times: Times, settings: SplitSettings) -> tuple[int, int, int, int] | None:
    """Cut one stretch of sorted times into train, val and test as near to the ratios as it goes.

    Every end of the train block is tried. For each, the best end of the val block is found by bisection, as
    ``val share - test share`` only grows with it. Chosen is the least largest deviation of a share from its ratio
    (shares of the frames left after guards), then the most frames left, then the shortest train block.

    Returns:
        ``(train_end, val_start, val_end, test_start)``, indices into ``times`` (train starts at 0, test ends with the
        stretch); ``None`` if some block would be empty.
    """
    n = len(times)
    if n < 3:
        return None
    after = _first_after_gap(times, settings.guard_gap_s)
    train_end = np.arange(1, n)
    val_start = after[train_end]
    # val / test = val ratio / test ratio  <=>  test * (val_end - val_start) - val * (n - after[val_end]) = 0
    rising = settings.test * np.arange(n + 1) + settings.val * after
    near = np.searchsorted(rising, settings.test * val_start + settings.val * n)
    candidates = []
    for step in (-2, -1, 0, 1):
        val_end = np.clip(near + step, 0, n)
        candidates.append(np.stack([train_end, val_start, val_end, after[val_end]], axis=1))
    cuts = np.concatenate(candidates)
    counts = np.stack([cuts[:, 0], cuts[:, 2] - cuts[:, 1], n - cuts[:, 3]], axis=1)
    whole = (counts > 0).all(axis=1)
    cuts, counts = cuts[whole], counts[whole]
    if len(cuts) == 0:
        return None
    kept = counts.sum(axis=1)
    ratios = np.array([settings.train, settings.val, settings.test])
    deviation = np.abs(counts / kept[:, None] - ratios).max(axis=1).round(9)
    best = np.lexsort((cuts[:, 0], -kept, deviation))[0]
    a, b, c, d = (int(cut) for cut in cuts[best])
    return a, b, c, d


def sub_blocks(times: Times, block_s: float) -> list[int]:
    """Number each time by its part when the stretch is cut in equal parts of about ``block_s`` seconds."""
    frame_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    length = float(times[-1] - times[0]) + frame_s
    parts = max(1, round(length / block_s))
    if parts == 1:
        return [0] * len(times)
    return [min(int((t - times[0]) / length * parts + _ROUNDING_S), parts - 1) for t in times.tolist()]


def all_train(times: Times, reason: str) -> Assignment:
    """Every frame trains, for a reason."""
    return Assignment([TRAIN] * len(times), ["train:0"] * len(times), reason)


def edges_of_segments(times: Times, settings: SplitSettings) -> list[tuple[int, int]]:
    """First row of each segment and the row after its last: equal lengths of time."""
    edges = np.linspace(times[0], times[-1], settings.segments + 1)[:-1]
    starts = [int(start) for start in np.searchsorted(times, edges - _ROUNDING_S, side="left")]
    return list(zip(starts, [*starts[1:], len(times)], strict=True))


def assign(times: Times, settings: SplitSettings) -> Assignment:
    """Assign each frame of one video.

    Args:
        times: seconds from the start of the video, sorted; one or more.
        settings: ratios, gap, segments and sizes.
    """
    splits = [GUARD] * len(times)
    blocks = ["guard"] * len(times)
    for segment, (start, end) in enumerate(edges_of_segments(times, settings)):
        if segment > 0:
            # The segment before ends with a test block: its train block keeps the gap from that too.
            start = max(start, int(np.searchsorted(times, times[start - 1] + settings.guard_gap_s - _ROUNDING_S)))
        cuts = best_cuts(times[start:end], settings) if end > start else None
        if cuts is None:
            part = f"part {segment + 1} of {settings.segments} of the video" if settings.segments > 1 else "the video"
            return all_train(
                times,
                f"{part} ({max(0, end - start)} frames to cut, {times[-1] - times[0]:.2f} s in all) cannot hold a "
                f"train, a val and a test block {settings.guard_gap_s:g} s apart",
            )
        train_end, val_start, val_end, test_start = (start + cut for cut in cuts)
        for i in range(start, train_end):
            splits[i], blocks[i] = TRAIN, f"train:{segment}"
        for i in range(val_start, val_end):
            splits[i], blocks[i] = VAL, f"val:{segment}"
        for i, part_number in zip(
            range(test_start, end), sub_blocks(times[test_start:end], settings.block_s), strict=True
        ):
            splits[i], blocks[i] = TEST, f"test:{segment}.{part_number}"
    return kept_too_few(times, splits, settings) or Assignment(splits, blocks)


def kept_too_few(times: Times, splits: Sequence[str], settings: SplitSettings) -> Assignment | None:
    """All frames trained instead, if guards leave too small a share of them; None if they do not."""
    kept = sum(split != GUARD for split in splits) / len(splits)
    if kept >= settings.min_kept_share:
        return None
    return all_train(
        times,
        f"guards of {settings.guard_gap_s:g} s would leave {kept:.0%} of the frames of a video of "
        f"{times[-1] - times[0]:.2f} s (at least {settings.min_kept_share:.0%} wanted)",
    )
