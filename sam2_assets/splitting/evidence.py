"""What a split is worth: leakage, class balance and majority baseline, measured from its table alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sam2_assets.splitting.duplicates import HASH, count_alike
from sam2_assets.splitting.settings import SplitSettings

USED = ("train", "val", "test")
UNUSED = ("guard", "duplicate", "over_cap")
"""Between the splits; looks like a held frame; more than a video may train with."""
BALANCED_POINTS = 5.0
"""A label's share in a split may differ by so many percentage points from its share in all."""
# Far above the rounding of times, far below a frame.
_TOLERANCE_S = 1e-6
_CHUNK = 1_000


def count_within_gap(table: pd.DataFrame, held: Sequence[str], near: Sequence[str], gap_s: float) -> int:
    """Frames of the splits ``held`` that lie less than ``gap_s`` seconds from a frame of ``near`` in the same video.

    Every pair of frames is compared: slow on purpose, so that it shares no reasoning with the cutting.

    Args:
        table: columns ``video_id``, ``time_s`` (seconds), ``split``.
        held: e.g. ``("val", "test")``.
        near: e.g. ``("train",)``.
        gap_s: seconds.
    """
    leaking = 0
    for _, video in table.groupby("video_id", sort=True):
        held_times = video.loc[video["split"].isin(held), "time_s"].to_numpy(float)
        near_times = video.loc[video["split"].isin(near), "time_s"].to_numpy(float)
        if len(near_times) == 0:
            continue
        for start in range(0, len(held_times), _CHUNK):
            distances = np.abs(held_times[start : start + _CHUNK, None] - near_times[None, :])
            leaking += int((distances < gap_s - _TOLERANCE_S).any(axis=1).sum())
    return leaking


def split_counts(table: pd.DataFrame) -> dict[str, int]:
    """Frames of each split and of each kind that is not used, zeros included."""
    counts = Counter(table["split"])
    return {name: counts[name] for name in (*USED, *UNUSED)}


def too_uniform(splits: Sequence[str], settings: SplitSettings) -> bool:
    """Whether a video's frames, near-duplicates dropped, are too few or miss a split, so that it should train whole."""
    kept = sum(split in USED for split in splits) / len(splits)
    return kept < settings.min_kept_share or not set(USED) <= set(splits)


def naive_random_leakage(table: pd.DataFrame, settings: SplitSettings) -> dict[str, Any]:
    """The leakage that shuffling the same frames would have had (guards and all, ratios as set)."""
    order = np.random.default_rng(settings.seed).permutation(len(table))
    train = round(len(table) * settings.train)
    val = round(len(table) * settings.val)
    names = np.array(["train"] * train + ["val"] * val + ["test"] * (len(table) - train - val), dtype=object)
    splits = np.empty(len(table), dtype=object)
    splits[order] = names[: len(table)]
    shuffled = table.assign(split=splits)
    held = int(shuffled["split"].isin(["val", "test"]).sum())
    leaking = count_within_gap(shuffled, ("val", "test"), ("train",), settings.guard_gap_s)
    alike = count_alike(shuffled, ("val", "test"), ("train",), settings.near_duplicate_bits)
    return {
        "frames": leaking,
        "of": held,
        "share": round(leaking / held, 6) if held else 0.0,
        "near_duplicates": alike,
    }


def leakage(table: pd.DataFrame, settings: SplitSettings) -> dict[str, Any]:
    """Frames too near a frame of another split, in time or in looks, beside what a random split would have had."""
    counts, bits = split_counts(table), settings.near_duplicate_bits
    return {
        "guard_gap_s": settings.guard_gap_s,
        "frames": count_within_gap(table, ("val", "test"), ("train",), settings.guard_gap_s),
        "test_frames_near_val": count_within_gap(table, ("test",), ("val",), settings.guard_gap_s),
        "of": counts["val"] + counts["test"],
        "near_duplicates": {
            "hash": HASH,
            "bits": bits,
            "frames": count_alike(table, ("val", "test"), ("train",), bits),
            "test_frames_like_val": count_alike(table, ("test",), ("val",), bits),
            "compared_by_bytes_only": int((table["phash"] == "").sum()),
        },
        "naive_random_split": naive_random_leakage(table, settings),
    }


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def balance(histograms: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """How evenly labels fall on the splits.

    Returns:
        ``labels``: histogram of each split; ``max_deviation_points``: the largest difference, in percentage points,
        between a label's share in one split and its share in all used frames; ``worst``: where that is.
    """
    total: Counter[str] = Counter()
    for counts in histograms.values():
        total.update(counts)
    worst: dict[str, Any] | None = None
    largest = 0.0
    for split, counts in histograms.items():
        size = sum(counts.values())
        for label in sorted(total) if size else ():
            points = abs(counts[label] / size - total[label] / sum(total.values())) * 100
            if points > largest:
                largest, worst = points, {"split": split, "label": label}
    return {
        "labels": {split: _ranked(counts) for split, counts in histograms.items()},
        "max_deviation_points": round(largest, 3),
        "worst": worst,
    }


def majority(histograms: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """The score of always answering one label for the main object of a test frame.

    Returns:
        ``test_label`` and its share of the test frames (the best constant answer), and the same for ``train_label``,
        the most frequent label of the train split (the constant answer one could have known).
    """
    test, train = histograms["test"], histograms["train"]
    size = sum(test.values())
    best = next(iter(_ranked(test)), None)
    known = next(iter(_ranked(train)), None)
    return {
        "test_label": best,
        "test_share": round(test[best] / size, 6) if best is not None else None,
        "train_label": known,
        "train_label_test_share": round(test[known] / size, 6) if known is not None and size else None,
    }
