"""Checks of the names that objects were given."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from sam2_assets.labels import plain_label, plurals
from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import cells, grouped, rows
from sam2_assets.tables import Provenance

_ESCAPES = "‹›"
_DEFAULT_NAME = re.compile(r"(object_|Object )(\d{1,9})")
_MAP_THEM = "Rename the objects in the demo, or map the labels with label_map in the settings."


def _placeholders(context: Context) -> Iterator[Finding]:
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in context.settings.placeholder_labels]
    for named in rows(context.names):
        if any(pattern.fullmatch(unicodedata.normalize("NFKC", named.label).strip()) for pattern in patterns):
            yield Finding(
                f"object {named.object_id} is called {named.label!r} in {named.rows} frames, from frame "
                f"{named.frame_index} on",
                named.frame_index,
                named.object_id,
            )


def _near_same(context: Context) -> Iterator[Finding]:
    counts: Counter[str] = Counter()
    for label, count in cells(context.names, "label", "rows"):
        counts[label] += count
    spellings: dict[str, list[str]] = {}
    for label in sorted(counts):
        spellings.setdefault(plain_label(label), []).append(label)
    # Each against the first of its kind and not every two: a stranger's export may have 100,000 labels.
    for plain, (first, *others) in spellings.items():
        for other in others:
            yield _same(first, other, counts, "differ only in case, width or how words are joined")
        for form in sorted(plurals(plain) & spellings.keys() - {plain}):
            one, many = sorted((first, spellings[form][0]))
            yield _same(one, many, counts, "are singular and plural")


def _same(a: str, b: str, counts: Counter[str], why: str) -> Finding:
    return Finding(f"{a!r} ({counts[a]} annotations) and {b!r} ({counts[b]}) {why}")


def _changes(context: Context) -> Iterator[Finding]:
    names = context.names
    several = set(names["object_id"][names["object_id"].duplicated()])
    named = context.objects[["object_id", "frame_index", "label"]]
    for (object_id,), track in sorted(grouped(named[named["object_id"].isin(several)], "object_id").items()):
        for before, after in itertools.pairwise(track):
            if before.label != after.label:
                yield Finding(
                    f"object {object_id} is {before.label!r} in frame {before.frame_index} and {after.label!r} in "
                    f"{after.frame_index}",
                    after.frame_index,
                    object_id,
                )


def _escaped(context: Context) -> Iterator[Finding]:
    cleaned = context.objects[context.objects["label_provenance"] == str(Provenance.CLEANED)]
    for (label, raw), named in sorted(grouped(cleaned, "label", "label_raw").items()):
        if any(label.count(mark) > raw.count(mark) for mark in _ESCAPES):
            yield Finding(
                f"{raw!r} is used as {label!r} ({len(named)} annotations)", named[0].frame_index, named[0].object_id
            )


def _stale(context: Context) -> Iterator[Finding]:
    visible = context.annotations_per_class.keys()
    sound = context.sound_objects[["object_id", "label", "frame_index"]]
    # a label that is never seen may still have rows that are not sound, which nobody can tell to be empty
    hidden = sound[~sound["label"].isin(list(visible))]
    for (object_id, label), named in sorted(grouped(hidden, "object_id", "label").items()):
        yield Finding(
            f"{label!r} names object {object_id}, which is seen in none of its {len(named)} frames",
            named[0].frame_index,
            object_id,
        )
    for named in rows(context.names):
        default = _DEFAULT_NAME.fullmatch(named.label)
        # The exporter writes object_<id>, the demo's page saves "Object <id + 1>".
        if default and int(default[2]) != named.object_id + (default[1] == "Object "):
            yield Finding(
                f"object {named.object_id} has the default name of another object, {named.label!r}",
                named.frame_index,
                named.object_id,
            )


CHECKS = (
    Check(
        id="placeholder_label",
        severity=Severity.WARNING,
        gates=None,
        meaning="Names that the demo made up (object_3, Object 4): a model learns nothing from them.",
        remedy=_MAP_THEM,
        measure=_placeholders,
        pictured="drawn",
    ),
    Check(
        id="near_same_labels",
        severity=Severity.WARNING,
        gates=None,
        meaning="Names that look like one class spelt in two ways; they would be learned as two classes.",
        remedy=_MAP_THEM,
        measure=_near_same,
    ),
    Check(
        id="one_object_changes_label",
        severity=Severity.WARNING,
        gates=None,
        meaning="One object with different names in different frames.",
        remedy="Give the object one name in the demo, or two objects if it is two things.",
        measure=_changes,
        pictured="drawn",
    ),
    Check(
        id="escaped_label",
        severity=Severity.WARNING,
        gates=None,
        meaning="Names with text that a chat template would take for a token; the importer put other brackets there.",
        remedy=_MAP_THEM,
        measure=_escaped,
        pictured="drawn",
    ),
    Check(
        id="stale_name",
        severity=Severity.WARNING,
        gates=None,
        meaning="Names that no visible object carries, or default names of other objects: left over from an earlier "
        "video or from deleted objects.",
        remedy="Look at the objects' names in the demo, which keeps those of an earlier video, and export again.",
        measure=_stale,
    ),
)
