"""Pictures of different splits that look alike: found in all videos at once, dropped from the less precious side.

Two pictures look alike if their bytes are equal, or if their perceptual hashes (``pixels.perceptual``) differ in at
most so many bits. A test frame is more precious than a val frame, a val frame more than a train frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from sam2_assets.pixels import as_integers, hamming

HASH: Final = "pHash of 64 bits"
DUPLICATE: Final = "duplicate"
_AT_ONCE: Final = 4_000_000
_EXAMPLES: Final = 10
_NONE: Final = -1
_ROUNDING_S: Final = 1e-6
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Alike:
    """For each of some frames, a frame that it looks like.

    Args:
        twin: row of one that it looks like most; -1 if there is none.
        bits: by how many bits their hashes differ; 0 where the bytes are equal.
    """

    twin: npt.NDArray[np.int64]
    bits: npt.NDArray[np.int64]

    @property
    def found(self) -> Flags:
        """Which of the frames look like one."""
        return np.asarray(self.twin != _NONE)


def alike(frames: pd.DataFrame, of: Flags, like: Flags, bits: int) -> Alike:
    """Which frames of one set look like a frame of another.

    Equal hashes are compared once, and all with all: a million comparisons take about 10 ms, so 8,000 train frames and
    2,000 held ones a fifth of a second. Memory is bounded.

    Args:
        frames: columns ``phash`` (empty: compared by bytes only) and ``picture`` (empty: not known).
        of: rows to ask about.
        like: rows to compare them with.
        bits: most differing bits of a hash.
    """
    rows, others = np.flatnonzero(of), np.flatnonzero(like)
    twin = np.full(len(rows), _NONE, np.int64)
    distance = np.zeros(len(rows), np.int64)
    hashes = frames["phash"].to_numpy(object)
    told, known = _telling(hashes, rows), _telling(hashes, others)
    if len(told) and len(known):
        asked, back = np.unique(as_integers(hashes[rows[told]].tolist()), return_inverse=True)
        held, first = np.unique(as_integers(hashes[others[known]].tolist()), return_index=True)
        nearest, least = _nearest(asked, held)
        close = least[back] <= bits
        twin[told[close]] = others[known[first[nearest[back[close]]]]]
        distance[told[close]] = least[back[close]]
    pictures = frames["picture"].to_numpy(object)
    # Backwards: of several equal ones the first is named.
    places = {pictures[row]: row for row in others[::-1].tolist() if pictures[row]}
    for place, picture in enumerate(pictures[rows].tolist()):
        if picture in places:
            twin[place], distance[place] = places[picture], 0
    return Alike(twin, distance)


def _telling(hashes: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.flatnonzero([bool(text) for text in hashes[rows]])


def _nearest(
    asked: npt.NDArray[np.uint64], held: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The nearest of ``held`` to each of ``asked``, and its distance."""
    nearest = np.zeros(len(asked), np.int64)
    least = np.zeros(len(asked), np.int64)
    step = max(1, _AT_ONCE // len(held))
    for start in range(0, len(asked), step):
        distances = hamming(asked[start : start + step, None], held[None, :])
        best = distances.argmin(axis=1)
        nearest[start : start + step] = best
        least[start : start + step] = distances[np.arange(len(best)), best]
    return nearest, least


def drop_alike(
    frames: pd.DataFrame, splits: Sequence[str], bits: int, gap_s: float
) -> tuple[list[str], list[dict[str, Any]]]:
    """Drop val frames that look like a test frame, then train frames that look like a val or test frame.

    Where two videos share a picture, byte for byte, they show the same recording: train frames within the guard gap of
    the shared moment go too, as they would if the videos were one.

    Args:
        frames: all frames: ``video_id``, ``frame_index``, ``time_s`` (seconds), ``phash``, ``picture``.
        splits: of each frame.
        bits: most differing bits of a hash.
        gap_s: guard gap, seconds.

    Returns:
        The splits with ``duplicate`` for the dropped ones, and one record a dropped frame: which, of which split, like
        which frame of which split, by how many bits.
    """
    after = np.array(splits, object)
    dropped: list[dict[str, Any]] = []
    for side, against in (("val", ("test",)), ("train", ("val", "test"))):
        of, like = after == side, np.isin(after, against)
        found = alike(frames, of, like, bits)
        rows = np.flatnonzero(of)
        for row, twin, distance in zip(
            rows[found.found].tolist(), found.twin[found.found].tolist(), found.bits[found.found].tolist(), strict=True
        ):
            dropped.append({"row": row, "split": side, "twin": twin, "twin_split": str(after[twin]), "bits": distance})
        for row, twin in _beside_shared(frames, after, of, like, gap_s):
            if not found.found[np.searchsorted(rows, row)]:
                dropped.append({"row": row, "split": side, "twin": twin, "twin_split": str(after[twin]), "bits": None})
        for entry in dropped:
            after[entry["row"]] = DUPLICATE
    return [str(split) for split in after], dropped


def _beside_shared(
    frames: pd.DataFrame, splits: npt.NDArray[Any], of: Flags, like: Flags, gap_s: float
) -> list[tuple[int, int]]:
    """Frames of ``of`` within the gap of a moment of their video that another video holds in ``like``: with that frame.

    The moment's own frame may be of any split: it is the other video's copy that is held.
    """
    pictures, videos = frames["picture"].to_numpy(object), frames["video_id"].to_numpy(object)
    held: dict[str, list[int]] = {}
    # Black pictures, whose hash is empty, are no moment that two recordings share.
    telling = frames["phash"].to_numpy(object) != ""
    for row in np.flatnonzero(like & telling).tolist():
        if pictures[row]:
            held.setdefault(pictures[row], []).append(row)
    moments: dict[str, dict[float, int]] = {}
    times = frames["time_s"].to_numpy(float)
    for row, picture in enumerate(pictures.tolist()):
        twin = next((other for other in held.get(picture, ()) if videos[other] != videos[row]), None)
        if twin is not None:
            moments.setdefault(videos[row], {})[times[row]] = twin
    beside = []
    for video, shared in moments.items():
        rows = np.flatnonzero(of & (videos == video))
        stamps = np.array(sorted(shared))
        after = np.searchsorted(stamps, times[rows])
        for row, place in zip(rows.tolist(), after.tolist(), strict=True):
            for stamp in stamps[max(0, place - 1) : place + 1].tolist():
                if abs(stamp - times[row]) < gap_s - _ROUNDING_S:
                    beside.append((row, shared[stamp]))
                    break
    return beside


def count_alike(table: pd.DataFrame, held: Sequence[str], near: Sequence[str], bits: int) -> int:
    """Frames of the splits ``held`` that look like a frame of the splits ``near``.

    Args:
        table: columns ``split``, ``phash``, ``picture``.
        held: e.g. ``("val", "test")``.
        near: e.g. ``("train",)``.
        bits: most differing bits of a hash.
    """
    split = table["split"].to_numpy(object)
    return int(alike(table, np.isin(split, held), np.isin(split, near), bits).found.sum())


def dropped_evidence(table: pd.DataFrame, dropped: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts of what was dropped, by the split it was of, and examples."""
    videos, indices = table["video_id"].tolist(), table["frame_index"].tolist()
    return {
        "dropped": {side: sum(entry["split"] == side for entry in dropped) for side in ("train", "val")},
        "of_these_like_another_videos": sum(videos[entry["row"]] != videos[entry["twin"]] for entry in dropped),
        "of_these_beside_a_shared_picture": sum(entry["bits"] is None for entry in dropped),
        "examples": [
            {
                "video_id": videos[entry["row"]],
                "frame_index": indices[entry["row"]],
                "split": entry["split"],
                "like": {
                    "video_id": videos[entry["twin"]],
                    "frame_index": indices[entry["twin"]],
                    "split": entry["twin_split"],
                },
                "bits": entry["bits"],
            }
            for entry in dropped[:_EXAMPLES]
        ],
    }
