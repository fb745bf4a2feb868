"""The measures behind the gates of a split; pure functions of its table, so that they also judge a table not ours."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sam2_assets.splitting.duplicates import count_alike
from sam2_assets.splitting.evidence import UNUSED, count_within_gap, split_counts
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.ways_out import ways_out


@dataclass(frozen=True)
class GateResult:
    """What a gate measured; ``remedy`` is empty when it passed.

    ``settings`` are changes ``section.field=value`` with which, together, the same frames would pass.
    """

    passed: bool
    numbers: dict[str, int | float]
    message: str
    remedy: str
    settings: tuple[str, ...] = ()


def no_leakage(table: pd.DataFrame, settings: SplitSettings) -> GateResult:
    """Gate ``no_leakage``: no val or test frame near a train frame, and no test frame near a val frame.

    Near in time is nearer than the guard gap in the same video; near in looks is alike by bytes or by perceptual hash
    (see ``duplicates``), in all videos. With ``leakage_waiver`` the gate passes, and says so.

    Args:
        table: of ``splits.parquet``; without its columns ``phash`` and ``picture`` looks are not compared.
        settings: ``guard_gap_s``, ``near_duplicate_bits``, ``leakage_waiver``.
    """
    gap, bits = settings.guard_gap_s, settings.near_duplicate_bits
    near_train = count_within_gap(table, ("val", "test"), ("train",), gap)
    near_val = count_within_gap(table, ("test",), ("val",), gap)
    repeated = int(table.duplicated(["video_id", "frame_index"]).sum())
    compared = {"phash", "picture"} <= set(table.columns)
    like_train = count_alike(table, ("val", "test"), ("train",), bits) if compared else 0
    like_val = count_alike(table, ("test",), ("val",), bits) if compared else 0
    counts = split_counts(table)
    held = counts["val"] + counts["test"]
    numbers: dict[str, int | float] = {
        "frames_near_train": near_train,
        "test_frames_near_val": near_val,
        "frames_like_train": like_train,
        "test_frames_like_val": like_val,
        "pictures_compared": len(table) if compared else 0,
        "repeated_frames": repeated,
        "held_frames": held,
        "guard_gap_s": gap,
        "near_duplicate_bits": bits,
    }
    looks = f"looks like one ({bits} bits)" if compared else "was compared by looks: this version has no hashes"
    if not (near_train or near_val or like_train or like_val or repeated):
        message = f"none of {held} val and test frames lies within {gap:g} s of a train frame, and none {looks}"
        return GateResult(True, numbers, message, "")
    found = (
        f"of {held} val and test frames {near_train} lie within {gap:g} s of a train frame and {like_train} look like "
        f"one; of the test frames {near_val} lie as near a val frame and {like_val} look like one; {repeated} frames "
        "are listed twice"
    )
    if settings.leakage_waiver and not repeated:
        return GateResult(True, numbers, f"waived: {settings.leakage_waiver} ({found})", "")
    return GateResult(
        False,
        numbers,
        found,
        "The scores would be those of frames seen in training: choose another splitting.strategy, or correct the "
        "custom file. Or accept it with a reason that the model card prints: splitting.leakage_waiver.",
    )


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
    numbers |= {f"{name}_frames": counts[name] for name in UNUSED}
    lacking = [f"{name} has {counts[name]} of {least}" for name, least in wanted.items() if counts[name] < least]
    if lacking:
        whole = counts["train"] > 0 and not counts["val"] + counts["test"]
        ways = ways_out(table, settings)
        more = ", or ".join(ways.more_frames) or "submit more videos, longer ones or at a higher frame rate"
        message = f"too few frames: {', '.join(lacking)}" + (
            ": corpus only, all its frames train there" if whole else ""
        )
        return GateResult(False, numbers, message, f"{more[0].upper()}{more[1:]}.", ways.settings)
    return GateResult(True, numbers, ", ".join(f"{counts[name]} {name}" for name in wanted) + " frames", "")
