"""The random strategy: a video's frames shuffled and dealt. It leaks by design, which its gate says."""

from __future__ import annotations

import hashlib

import numpy as np

from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.temporal import TEST, TRAIN, VAL, Assignment


def shuffle(video_id: str, count: int, settings: SplitSettings) -> Assignment:
    """Deal ``count`` frames of a video at random; the same video, ratios and seed give the same splits.

    Each frame is a block of its own: nothing is known to be independent.
    """
    digest = hashlib.sha256(f"{settings.seed} {video_id}".encode()).digest()
    order = np.random.default_rng(int.from_bytes(digest[:8], "big")).permutation(count)
    train, val = round(count * settings.train), round(count * settings.val)
    names = [TRAIN] * train + [VAL] * val + [TEST] * (count - train - val)
    splits = [""] * count
    for place, name in zip(order.tolist(), names[:count], strict=True):
        splits[place] = name
    return Assignment(splits, [f"{name}:{place}" for place, name in enumerate(splits)])
