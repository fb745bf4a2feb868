"""Checks of how much there is to learn from, and how evenly it is spread over classes and frames."""

from __future__ import annotations

from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.rows import rows


def _no_usable_frame(context: Context) -> Iterator[Finding]:
    if context.usable_frames.empty:
        with_object = context.present_objects["frame_index"].nunique()
        with_picture = int(context.frames["has_picture"].sum())
        yield Finding(
            f"of {len(context.frames)} frames, {with_object} show an object and {with_picture} have a picture, but "
            "none has both",
            value=0.0,
        )


def _too_few_frames(context: Context) -> Iterator[Finding]:
    usable = len(context.usable_frames)
    if usable < context.settings.min_annotated_frames:
        yield Finding(
            f"{usable} frames have an object and a picture, {context.settings.min_annotated_frames} are needed",
            value=float(usable),
        )


def _too_few_annotations(context: Context) -> Iterator[Finding]:
    for label, count in context.annotations_per_class.items():
        if count < context.settings.min_annotations_per_class:
            yield Finding(f"{label!r} is annotated {count} times", value=float(count))


def _imbalance(context: Context) -> Iterator[Finding]:
    counts = context.annotations_per_class
    most = max(counts, key=lambda label: counts[label], default="")
    for label, count in counts.items():
        ratio = counts[most] / count
        if ratio > context.settings.max_class_ratio:
            yield Finding(f"{label!r} ({count}) is {ratio:.0f} times rarer than {most!r} ({counts[most]})", value=ratio)


def _without_objects(context: Context) -> Iterator[Finding]:
    bare = context.frames[~context.frames["frame_index"].isin(context.present_objects["frame_index"])]
    deliberate = context.settings.empty_frames == "negative"
    for row in rows(bare):
        yield Finding(
            f"frame {row.frame_index} is annotated but shows no object"
            + (" (declared deliberate; nothing is asked about it)" if deliberate else ""),
            row.frame_index,
            value=len(bare) / len(context.frames),
            tolerated=deliberate,
        )


CHECKS = (
    Check(
        id="no_usable_frame",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="At least one frame has both an object and a picture.",
        remedy="Put the source video beside the export if it has no pictures; annotate an object if it has none.",
        measure=_no_usable_frame,
        waivable=False,
    ),
    Check(
        id="too_few_frames",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Enough frames to train on some and score on others; a score over a handful of frames means nothing.",
        remedy="Export more frames a second, annotate more of the video, or train on the corpus of all videos.",
        measure=_too_few_frames,
        threshold="min_annotated_frames",
    ),
    Check(
        id="too_few_annotations",
        severity=Severity.WARNING,
        gates=None,
        meaning="Classes with too few annotations to be learned or scored.",
        remedy="Annotate more of them, or merge them into another class with label_map in the settings.",
        measure=_too_few_annotations,
        threshold="min_annotations_per_class",
    ),
    Check(
        id="class_imbalance",
        severity=Severity.WARNING,
        gates=None,
        meaning="Classes far rarer than the most frequent one; a model does well on paper by never naming them.",
        remedy="Annotate more of the rare classes, or judge the scores per class.",
        measure=_imbalance,
        threshold="max_class_ratio",
    ),
    Check(
        id="frames_without_objects",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Annotated frames that show no object: nothing is there, or the object was lost or never annotated.",
        remedy="Annotate the object there or export only the part in which it is seen; if nothing is there, say so "
        "with quality.empty_frames: negative.",
        measure=_without_objects,
    ),
)
