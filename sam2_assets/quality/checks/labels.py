"""Checks of the names that objects were given."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity
from sam2_assets.quality.rows import grouped

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
}
_MAP_THEM = "Rename the objects in the demo, or map the labels with label_map in the settings."


def plain_label(label: str) -> str:
    """A label without what people do not mean by it: width, case, accents' encoding, and how words are joined."""
    text = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(re.split(r"[\s_\-./]+", text.strip(" _-./")))


def plurals(label: str) -> set[str]:
    """English plurals of the last word of a plain label."""
    head, _, word = label.rpartition(" ")
    forms = {word + "s", word + "es", _IRREGULAR.get(word, word + "s")}
    if len(word) > 1 and word.endswith("y"):
        forms.add(word[:-1] + "ies")
    return {f"{head} {form}".strip() for form in forms}


def _placeholders(context: Context) -> Iterator[Finding]:
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in context.settings.placeholder_labels]
    for (object_id, label), named in sorted(grouped(context.objects, "object_id", "label").items()):
        if any(pattern.fullmatch(unicodedata.normalize("NFKC", label).strip()) for pattern in patterns):
            yield Finding(
                f"object {object_id} is called {label!r} in {len(named)} frames, from frame {named[0].frame_index} on",
                named[0].frame_index,
                object_id,
            )


def _near_same(context: Context) -> Iterator[Finding]:
    counts = Counter(context.objects["label"].tolist())
    labels = sorted(counts)
    plain = {label: plain_label(label) for label in labels}
    for i, a in enumerate(labels):
        for b in labels[i + 1 :]:
            if plain[a] == plain[b]:
                why = "differ only in case, width or how words are joined"
            elif plain[a] in plurals(plain[b]) or plain[b] in plurals(plain[a]):
                why = "are singular and plural"
            else:
                continue
            yield Finding(f"{a!r} ({counts[a]} annotations) and {b!r} ({counts[b]}) {why}")


def _changes(context: Context) -> Iterator[Finding]:
    for (object_id,), track in sorted(grouped(context.objects, "object_id").items()):
        for before, after in itertools.pairwise(track):
            if before.label != after.label:
                yield Finding(
                    f"object {object_id} is {before.label!r} in frame {before.frame_index} and {after.label!r} in "
                    f"{after.frame_index}",
                    after.frame_index,
                    object_id,
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
)
