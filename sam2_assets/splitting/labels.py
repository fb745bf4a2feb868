"""Labels over all videos of a corpus: names that look like one class, and what the label map would still change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sam2_assets.exports.labels import clean_text
from sam2_assets.labels import plain_label, plurals
from sam2_assets.splitting.facts import Member


def label_findings(members: Sequence[Member], label_map: Mapping[str, str]) -> dict[str, Any]:
    """What keeps the labels of several videos from being one vocabulary.

    Args:
        members: the videos used.
        label_map: ``importing.label_map`` as it stands for all exports now.

    Returns:
        ``near_same``: names that differ in spelling or number only, the videos each is in, and the entries that would
        make them one; ``not_mapped``: by partition, labels that the map would rename, had the video been imported with
        it; ``suggested_map``: all suggested entries together, to paste into the settings.
    """
    videos: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for member in members:
        for labels in member.frames["labels"]:
            counts.update(labels)
            for label in labels:
                videos.setdefault(label, set()).add(member.partition)
    classes: dict[str, list[str]] = {}
    for label in sorted(counts):
        classes.setdefault(plain_label(label), []).append(label)
    joined = {plain: plain for plain in classes}
    for plain in sorted(classes):
        for plural in sorted(plurals(plain) & classes.keys() - {plain}):
            joined[plural] = joined[plain]
    together: dict[str, list[str]] = {}
    for plain, spellings in classes.items():
        together.setdefault(joined[plain], []).extend(spellings)
    near_same = []
    suggested: dict[str, str] = {}
    for spellings in (sorted(each) for _, each in sorted(together.items()) if len(each) > 1):
        best = min(spellings, key=lambda label: (-counts[label], label))
        suggested |= {label: best for label in spellings if label != best}
        near_same.append({"labels": {label: sorted(videos[label]) for label in spellings}, "map_to": best})
    mapped = {label: clean_text(label_map[label]) for label in sorted(counts) if label in label_map}
    renamed = {label: target for label, target in mapped.items() if target != label}
    not_mapped = {
        member.partition: {label: renamed[label] for label in sorted(_labels(member) & renamed.keys())}
        for member in members
    }
    return {
        "near_same": near_same,
        "suggested_map": suggested,
        "not_mapped": {partition: found for partition, found in sorted(not_mapped.items()) if found},
    }


def _labels(member: Member) -> set[str]:
    return {label for labels in member.frames["labels"] for label in labels}
