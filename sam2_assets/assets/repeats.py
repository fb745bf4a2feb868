"""Exports that show the same video: what an import records about it, and what holds now."""

from __future__ import annotations

import json
from collections.abc import Mapping

import dagster as dg

from sam2_assets.assets.lineage import recorded
from sam2_assets.assets.scope import VIDEO
from sam2_assets.exports.appearance import Appearance, same_video

APPEARANCE = "appearance"
"""Metadata of ``raw_export`` by which another export of the same video is recognised."""
SAME_VIDEO_AS = "same_video_as"
"""Metadata of ``raw_export``: the partitions that showed the same video when it was imported."""


def twins_of(instance: dg.DagsterInstance, partition: str, looks: Appearance) -> list[str]:
    """Other partitions whose newest import shows the same video."""
    known = recorded(instance, VIDEO.key("raw_export"), APPEARANCE)
    return sorted(name for name, text in known.items() if name != partition and same_video(looks, json.loads(text)))


def known_twins(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """Of every partition that has them, the others that show the same video, both ways.

    Only the later of two imports could see the other, and either may have been imported again since: so the pairs that
    imports recorded are compared once more, which is much less than every pair there is.
    """
    said: Mapping[str, str] = recorded(instance, VIDEO.key("raw_export"), SAME_VIDEO_AS)
    if not said:
        return {}
    looks = {name: json.loads(text) for name, text in recorded(instance, VIDEO.key("raw_export"), APPEARANCE).items()}
    found: dict[str, set[str]] = {}
    for one, others in said.items():
        for other in others.split(", "):
            if one in looks and other in looks and same_video(looks[one], looks[other]):
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return {name: sorted(others) for name, others in found.items()}
