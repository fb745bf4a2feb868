"""Videos as a split sees them, made without datasets or pictures: any times, labels, hashes and equal pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sam2_assets.splitting import Member


def hash_of(*words: object) -> str:
    """A hash that only these words have; two of them differ in about half of the 64 bits."""
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:16]


def flipped(phash: str, bits: int, seed: int = 0) -> str:
    """The hash with so many bits changed."""
    value = int(phash, 16)
    for place in np.random.default_rng(seed).choice(64, bits, replace=False).tolist():
        value ^= 1 << place
    return f"{value:016x}"


def video(
    name: str,
    frames: int = 60,
    *,
    fps: float = 5.0,
    labels: Sequence[str] | str = "cat",
    start: float = 0.0,
    shows: str | None = None,
    dataset: str | None = None,
) -> Member:
    """A video whose frame at ``t`` seconds shows the moment ``start + t`` of the recording ``shows`` (its own)."""
    times = [i / fps for i in range(frames)]
    named = [labels] * frames if isinstance(labels, str) else list(labels)
    moments = [hash_of(shows or name, round(start + time, 3)) for time in times]
    table = pd.DataFrame(
        {
            "frame_index": range(frames),
            "time_s": times,
            "label": named,
            "labels": [[label] for label in named],
            "phash": moments,
            "picture": [hashlib.sha256(moment.encode()).hexdigest() for moment in moments],
        }
    )
    return Member(name, f"id-{name}", dataset or hash_of("dataset", name) * 4, {}, {}, table)


def corpus(count: int, *, frames: int = 60, classes: int = 3) -> list[Member]:
    """So many different videos; every class is in several of them."""
    return [video(f"v{i:03d}", frames, labels=f"class {i % classes}") for i in range(count)]
