"""What would let a split pass its size gate: settings that were tried on its own frame times, or more of the video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from sam2_assets.splitting.duplicates import drop_alike
from sam2_assets.splitting.evidence import USED, too_uniform
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.temporal import Times, assign

_RATES = (1, 2, 5, 10, 15)
"""Frames a second that the SAM2 demo offers for an export; its videos have no more than 24."""
_GUARD_SHARES = (0.75, 0.5, 0.25, 0.1)
_KEPT_SHARE = 0.2
"""Below it the guards take so much that a longer video is the better advice."""
_MOST_FRAMES = 20_000


@dataclass(frozen=True)
class WaysOut:
    """What a person can do about too few frames.

    Args:
        more_frames: clauses, e.g. ``export it at 5 or more frames a second (now about 2)``.
        settings: changes ``section.field=value`` that, together, let these frames pass; empty if none do.
    """

    more_frames: tuple[str, ...]
    settings: tuple[str, ...]


def ways_out(table: pd.DataFrame, settings: SplitSettings) -> WaysOut:
    """What would let a split that fails ``enough_samples`` pass it.

    Settings were tried on the very frames, near-duplicates dropped. That more frames would do was tried on their times:
    what they would look like nobody knows. Of several videos, and of strategies other than ``temporal``, only the least
    numbers of frames are tried: which video should be longer is nobody's guess.

    Args:
        table: of ``splits.parquet``; without its columns ``phash`` and ``picture`` looks are not compared.
        settings: with which it fails.
    """
    if table["video_id"].nunique() != 1 or settings.strategy not in ("auto", "temporal"):
        counts = {name: int((table["split"] == name).sum()) for name in USED}
        return WaysOut((), _lowered(counts, settings) or ())
    frames = table.sort_values("time_s", ignore_index=True)
    times = frames["time_s"].to_numpy(float)
    return WaysOut(tuple(_more_frames(times, settings)), _other_settings(frames, settings))


def _regular(frames: int, step: float) -> Times:
    """The times of frames that are ``step`` seconds apart."""
    return np.arange(frames, dtype=np.float64) * step


def _counted(splits: Sequence[str], settings: SplitSettings) -> dict[str, int]:
    counts = {name: splits.count(name) for name in USED}
    most = settings.max_train_frames_per_video
    return counts if most is None else counts | {"train": min(counts["train"], most)}


def _counts(frames: pd.DataFrame, settings: SplitSettings) -> dict[str, int]:
    """Frames of each split as ``split`` would have them."""
    cut = assign(frames["time_s"].to_numpy(float), settings)
    splits = cut.splits
    if not cut.reason and {"phash", "picture"} <= set(frames.columns):
        splits, dropped = drop_alike(frames, splits, settings.near_duplicate_bits, settings.guard_gap_s)
        if dropped and too_uniform(splits, settings):
            splits = ["train"] * len(splits)
    return _counted(splits, settings)


def _least(settings: SplitSettings) -> dict[str, int]:
    return {"train": settings.min_train_frames, "val": settings.min_val_frames, "test": settings.min_test_frames}


def _sufficient(counts: Mapping[str, int], settings: SplitSettings) -> bool:
    return all(counts[name] >= least for name, least in _least(settings).items())


def _enough(times: Times, settings: SplitSettings) -> bool:
    return _sufficient(_counted(assign(times, settings).splits, settings), settings)


def _lowered(counts: Mapping[str, int], settings: SplitSettings) -> tuple[str, ...] | None:
    """The least numbers of frames set to what there is; None where a split would be empty."""
    if not all(counts[name] for name in USED):
        return None
    lacking = [name for name, least in _least(settings).items() if counts[name] < least]
    return tuple(f"splitting.min_{name}_frames={counts[name]}" for name in lacking)


def _other_settings(frames: pd.DataFrame, settings: SplitSettings) -> tuple[str, ...]:
    """The mildest change that was found: a shorter guard before fewer frames, and one change before two."""
    gaps = [round(settings.guard_gap_s * share, 3) for share in _GUARD_SHARES]
    kept = min(settings.min_kept_share, _KEPT_SHARE)
    trials = [
        ((f"splitting.guard_gap_s={gap:g}",), settings.model_copy(update={"guard_gap_s": gap}))
        for gap in gaps
        if gap >= 0.001
    ]
    for changes, tried in trials:
        if _sufficient(_counts(frames, tried), tried):
            return changes
    share = (f"splitting.min_kept_share={kept:g}",) if kept < settings.min_kept_share else ()
    looser = [((*share,), settings.model_copy(update={"min_kept_share": kept}))]
    looser += [((*changes, *share), t.model_copy(update={"min_kept_share": kept})) for changes, t in trials]
    for changes, tried in looser:
        if changes and _sufficient(_counts(frames, tried), tried):
            return changes
    for changes, tried in [((), settings), *trials, *looser]:
        lowered = _lowered(_counts(frames, tried), settings)
        if lowered is not None:
            return (*changes, *lowered)
    return ()


def _more_frames(times: Times, settings: SplitSettings) -> Iterator[str]:
    span = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if step <= 0:
        yield "export more than one frame"
        return
    for rate in _RATES:
        if rate * step > 1.01 and _enough(_regular(int((span + step) * rate), 1 / rate), settings):
            yield f"export it at {rate} or more frames a second (now about {1 / step:.2g})"
            break
    needed = _frames_needed(len(times), step, settings)
    if needed is not None:
        yield f"annotate about {needed * step:.1f} s of video at this rate (now {span + step:.1f})"


def _frames_needed(have: int, step: float, settings: SplitSettings) -> int | None:
    """The least number of frames ``step`` seconds apart that is enough; None if it is beyond any video."""

    def enough(frames: int) -> bool:
        return _enough(_regular(frames, step), settings)

    sizes = [have]
    while 2 * sizes[-1] <= _MOST_FRAMES:
        sizes.append(2 * sizes[-1])
    for low, high in pairwise(sizes):
        if enough(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if enough(middle) else (middle, high)
            return high
    return None
