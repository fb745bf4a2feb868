"""The same video under two names: exported twice, it would put the same moments into train and test of a corpus.

An export's identity covers its painted pictures, so annotating a video again and exporting it again gives another
video id. The frames taken from the source video are then equal byte for byte, and what lies between the paint of the
export's own pictures is the same; both are looked for here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sam2_assets.errors import DatasetError
from sam2_assets.exports.appearance import Appearance, same_video
from sam2_assets.instructions import read_rows

# One equal picture may be a black one; a tenth is what exports at 30 and at 3 frames a second have in common.
_LEAST_SHARED = 2
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Candidate:
    """A video that may go into a split: its partition, its identity, its dataset's folder, and its looks if known."""

    partition: str
    video_id: str
    dataset: Path
    appearance: Appearance = field(default_factory=dict)


def _pictures(candidate: Candidate) -> frozenset[bytes]:
    return frozenset(hashlib.sha256(row.image_bytes).digest() for row in read_rows(candidate.dataset))


def _same(one: frozenset[bytes], other: frozenset[bytes]) -> int:
    """How many pictures two videos share, if enough to call them the same video; otherwise 0."""
    shared = len(one & other)
    return shared if shared >= max(_LEAST_SHARED, _LEAST_SHARE * min(len(one), len(other))) else 0


def one_a_video(candidates: Sequence[Candidate]) -> tuple[set[str], list[dict[str, str]]]:
    """Keep one candidate of each video: the one with most frames, of equals the first partition by name.

    Two candidates show the same video if they have the same id, if they look the same where nothing is painted
    (``exports.appearance``), or if they share at least two pictures, byte for byte, that make up a tenth of the smaller
    one. Pictures are only read if there are several candidates.

    Returns:
        The partitions to keep, and ``{"partition", "reason"}`` of the others, by partition.

    Raises:
        DatasetError: ``repeated_partition``, and those of ``read_rows``.
    """
    names = [candidate.partition for candidate in candidates]
    if len(set(names)) != len(names):
        raise DatasetError(
            "repeated_partition",
            "a partition is given twice",
            field="sources",
            value=sorted(name for name in set(names) if names.count(name) > 1),
            remedy="Give each partition once.",
        )
    if len(candidates) == 1:
        return set(names), []
    pictures = {candidate.partition: _pictures(candidate) for candidate in candidates}
    frames = {
        candidate.partition: sum(1 for _ in read_rows(candidate.dataset, pictures=False)) for candidate in candidates
    }
    kept: list[Candidate] = []
    rejected = []
    for candidate in sorted(candidates, key=lambda c: (-frames[c.partition], c.partition)):
        for first in kept:
            shared = _same(pictures[first.partition], pictures[candidate.partition])
            alike = same_video(first.appearance, candidate.appearance)
            if shared or alike or first.video_id == candidate.video_id:
                rejected.append(
                    {
                        "partition": candidate.partition,
                        "reason": f"shows the same video as {first.partition}, which is used "
                        f"({frames[first.partition]} frames; this has {frames[candidate.partition]}, "
                        f"{shared} pictures are equal)",
                    }
                )
                break
        else:
            kept.append(candidate)
    return {candidate.partition for candidate in kept}, sorted(rejected, key=lambda entry: entry["partition"])
