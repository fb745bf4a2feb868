"""What the importer read, decided and repaired, in words: the report's view of ``import.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WHAT = {
    "layout": "Layout of the export",
    "mask_order": "Order in which the masks are written",
    "mask_grid": "Grid of the masks",
    "pictures": "Pictures in the export",
    "frames": "Pictures used",
    "fps": "Frames a second",
    "box_recomputed": "Boxes recomputed from the masks",
    "area_recomputed": "Areas recomputed from the masks",
    "labels": "Labels cleaned or mapped",
    "duration": "Length of the video, seconds",
    "timestamps": "Times of the frames, seconds",
}
_CHOICE = {
    ("mask_order", "row"): "row by row",
    ("mask_order", "column"): "column by column",
    ("pictures", "export_overlay"): "masks and names are painted in",
    ("pictures", "export_clean"): "clean",
    ("pictures", "missing"): "none",
}
_MOST_LETTERS = 300
_MOST_EXAMPLES = 3
_WORTH_SAYING = 0.1
"""Share of the outline pixels that have the expected colour by chance; less changes nothing."""


@dataclass(frozen=True)
class Decision:
    """Something that the export does not say reliably: what it is, how it was read, and why."""

    what: str
    choice: str
    evidence: str


@dataclass(frozen=True)
class Repair:
    """Values that were replaced: how many, why, and ``(where, stated, used)`` of some."""

    what: str
    count: int
    why: str
    examples: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Provenance:
    """Where the data come from.

    Args:
        archive: name of the export, empty if it is not recorded.
        source_video: one sentence about the source video, empty if none was given.
        decisions: in the order of the record.
        repairs: in the order of the record.
        warnings: of the importer.
    """

    archive: str
    source_video: str
    decisions: tuple[Decision, ...]
    repairs: tuple[Repair, ...]
    warnings: tuple[str, ...]


def provenance(record: Mapping[str, Any]) -> Provenance:
    """The record of an import in words.

    Entries that this module has no words for are shown as they are recorded, so that nothing is left out.
    """
    return Provenance(
        archive=str((record.get("archive") or {}).get("name", "")),
        source_video=_source_video(record.get("source_video")),
        decisions=tuple(_decision(entry) for entry in record.get("decisions", ())),
        repairs=tuple(_repair(entry) for entry in record.get("repairs", ())),
        warnings=tuple(map(in_words, record.get("warnings", ()))),
    )


def _source_video(record: Mapping[str, Any] | None) -> str:
    if not record:
        return ""
    agreement = record.get("agreement")
    if not isinstance(agreement, Mapping) or not agreement or "agreement_needed" not in record:
        return f"{record.get('name', 'The source video')}: {in_words({k: v for k, v in record.items() if k != 'name'})}"
    return (
        f"{record['name']} is the video that the annotations were made on: in {len(agreement)} sampled frames, at "
        f"least {min(agreement.values()):.1%} of the pixels that the exporter did not paint agree "
        f"({record['agreement_needed']:.0%} needed)."
    )


def _decision(entry: Mapping[str, Any]) -> Decision:
    key, choice = str(entry["what"]), str(entry["choice"])
    kind, _, rest = key.partition(" ")
    evidence = entry.get("evidence") or {}
    return Decision(
        what=f"{_WHAT.get(kind, kind.replace('_', ' ').capitalize())} {rest}".strip(),
        choice=_CHOICE.get((kind, choice), choice),
        evidence=_mask_order(choice, evidence) or _outlines(evidence) or in_words(evidence),
    )


def _mask_order(choice: str, evidence: Mapping[str, Any]) -> str:
    """The sentence for the one decision on which every box hangs, if the painted outlines decided it."""
    agreement = evidence.get("overlay_agreement")
    if evidence.get("basis") != "overlay" or not isinstance(agreement, Mapping) or choice not in agreement:
        return ""
    others = [share for order, share in agreement.items() if order != choice]
    beyond = evidence.get("overlay_beyond_chance")
    by_chance = (
        f" Chance explains all but {beyond[choice]:.1%}."
        if isinstance(beyond, Mapping) and agreement[choice] - beyond.get(choice, 0.0) >= _WORTH_SAYING
        else ""
    )
    return (
        f"Read this way, {agreement[choice]:.1%} of {evidence.get('contour_pixels', 0):,} outline pixels have the "
        f"colour that the exporter paints there; read the other way, {max(others, default=0.0):.1%}.{by_chance}"
    )


def _outlines(evidence: Mapping[str, Any]) -> str:
    """The sentence for whether the answer is painted into the pictures, if all was measured that it needs."""
    found = evidence.get("contour_agreement")
    if not isinstance(found, Mapping) or not found or "clean_below" not in evidence:
        return ""
    measured = [frame.get("share") for frame in found.values() if isinstance(frame, Mapping)]
    shares = [share for share in measured if isinstance(share, int | float)]  # a frame without an outline has none
    if not shares:
        return ""
    doubtful = sum("chance" in frame for frame in found.values() if isinstance(frame, Mapping))
    doubt = (
        f" In {doubtful} that left a doubt: outlines moved aside and the outlines' inner halves decided."
        if doubtful
        else ""
    )
    beside = sum("pixels_beside" in frame for frame in found.values() if isinstance(frame, Mapping))
    if beside:
        doubt += f" In {beside}, outlines are painted where no mask has its edge, so none counts as clean."
    return (
        f"In {len(shares)} sampled frames, {min(shares):.1%} to {max(shares):.1%} of the outline pixels have the "
        f"colour that the exporter paints there; below {evidence['clean_below']:.0%} they count as clean.{doubt}"
    )


def _repair(entry: Mapping[str, Any]) -> Repair:
    examples = []
    for example in entry.get("examples", ())[:_MOST_EXAMPLES]:
        where = [
            f"{name.removesuffix('_index').removesuffix('_id')} {example[name]}" for name in _PLACES & set(example)
        ]
        examples.append((", ".join(sorted(where)), in_words(example.get("stated")), in_words(example.get("used"))))
    what = str(entry["what"])
    return Repair(
        what=_WHAT.get(what, what.replace("_", " ").capitalize()),
        count=int(entry["count"]),
        why=str(entry["why"]),
        examples=tuple(examples),
    )


_PLACES = {"frame_index", "object_id"}


def in_words(value: Any) -> str:
    """A JSON value as one line of text, cut at 300 characters; tables by frame become their range."""
    text = _words(value)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        if value and all(str(key).isdigit() for key in value):
            return _by_frame(list(value.values()))
        told = [(str(key).replace("_", " "), _words(inside)) for key, inside in value.items() if inside is not None]
        return "; ".join(f"{key}: {words}" for key, words in told if words)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_words, value)) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _by_frame(values: list[Any]) -> str:
    """What was measured in several frames."""
    values = [value for value in values if value is not None]
    if values and all(isinstance(value, int | float) for value in values):
        return f"{_words(min(values))} to {_words(max(values))} in {len(values)} frames"
    if all(isinstance(value, Mapping) for value in values):
        names = sorted({str(name) for value in values for name in value})
        return ", ".join(f"{n.replace('_', ' ')} {_by_frame([v[n] for v in values if n in v])}" for n in names)
    return ", ".join(map(_words, values))
