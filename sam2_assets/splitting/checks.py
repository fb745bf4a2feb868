"""The measures behind the gates of a split; pure functions of its table, so that they also judge a table not ours."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sam2_assets.splitting.evidence import count_within_gap, split_counts
from sam2_assets.splitting.settings import SplitSettings


@dataclass(frozen=True)
class GateResult:
    """What a gate measured; ``remedy`` is empty when it passed."""

    passed: bool
    numbers: dict[str, int | float]
    message: str
    remedy: str


def no_leakage(table: pd.DataFrame, settings: SplitSettings) -> GateResult:
    """Gate ``no_leakage``: no val or test frame nearer than the gap to a train frame, no test frame to a val frame.

    Args:
        table: of ``splits.parquet``.
        settings: ``guard_gap_s``.
    """
    gap = settings.guard_gap_s
    near_train = count_within_gap(table, ("val", "test"), ("train",), gap)
    near_val = count_within_gap(table, ("test",), ("val",), gap)
    repeated = int(table.duplicated(["video_id", "frame_index"]).sum())
    counts = split_counts(table)
    numbers: dict[str, int | float] = {
        "frames_near_train": near_train,
        "test_frames_near_val": near_val,
        "repeated_frames": repeated,
        "held_frames": counts["val"] + counts["test"],
        "guard_gap_s": gap,
    }
    if near_train or near_val or repeated:
        return GateResult(
            False,
            numbers,
            f"{near_train} val or test frames lie within {gap:g} s of a train frame, {near_val} test frames of a val "
            f"frame, {repeated} frames are listed twice",
            "The scores would be those of frames seen in training: materialize splits again with this guard gap.",
        )
    held = numbers["held_frames"]
    return GateResult(True, numbers, f"none of {held} val and test frames lies within {gap:g} s of a train frame", "")


def enough_samples(table: pd.DataFrame, settings: SplitSettings) -> GateResult:
    """Gate ``enough_samples``: each split has the least number of frames that the settings ask for.

    Args:
        table: of ``splits.parquet``.
        settings: ``min_train_frames``, ``min_val_frames``, ``min_test_frames``.
    """
    counts = split_counts(table)
    wanted = {
        "train": settings.min_train_frames,
        "val": settings.min_val_frames,
        "test": settings.min_test_frames,
    }
    numbers: dict[str, int | float] = {f"{name}_frames": counts[name] for name in wanted}
    numbers |= {f"min_{name}_frames": least for name, least in wanted.items()}
    numbers["guard_frames"] = counts["guard"]
    lacking = [f"{name} has {counts[name]} of {least}" for name, least in wanted.items() if counts[name] < least]
    if lacking:
        return GateResult(
            False,
            numbers,
            f"too few frames: {', '.join(lacking)}",
            "Export more frames (a higher frame rate or a longer video), or train this video within the corpus.",
        )
    return GateResult(True, numbers, ", ".join(f"{counts[name]} {name}" for name in wanted) + " frames", "")
