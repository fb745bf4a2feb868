"""Checks of the frames' pictures: present, of the right size, different, and without the answer painted in."""

from __future__ import annotations

from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.rows import rows
from sam2_assets.tables import ImageOrigin

_GIVE_VIDEO = "Put the source video beside the export (same name, a video suffix) and import again."


def _missing(context: Context) -> Iterator[Finding]:
    # The demo writes no picture of a frame without objects, so only frames with objects can lack theirs.
    needed = context.frames[context.frames["frame_index"].isin(context.present_objects["frame_index"])]
    missing = needed.loc[~needed["has_picture"], ["frame_index", "image", "image_origin"]]
    count, share = len(missing), len(missing) / max(len(needed), 1)
    tolerated = count <= context.settings.max_missing_picture_share * len(needed)
    for row in rows(missing):
        reason = "the export has none" if row.image_origin == ImageOrigin.MISSING else f"{row.image} is not there"
        yield Finding(
            f"frame {row.frame_index} has objects but no picture: {reason}",
            row.frame_index,
            value=share,
            tolerated=tolerated,
        )


def _without_record(context: Context) -> Iterator[Finding]:
    for frame_index in context.import_record.get("pictures_without_record", ()):
        yield Finding(
            f"the export has a picture of frame {frame_index}, but no record of it; it was left out", frame_index
        )


def _sizes(context: Context) -> Iterator[Finding]:
    pictures = context.readable_pictures
    other = (pictures["width"] != pictures["frame_w"]) | (pictures["height"] != pictures["frame_h"])
    for row in rows(pictures[other]):
        yield Finding(
            f"frame {row.frame_index}: {row.image} is {row.width} x {row.height}, the table says "
            f"{row.frame_w} x {row.frame_h}",
            row.frame_index,
        )


def _overlays(context: Context) -> Iterator[Finding]:
    painted = context.frames[context.frames["image_origin"] == ImageOrigin.EXPORT_OVERLAY]
    for row in rows(painted):
        yield Finding(f"frame {row.frame_index}: masks and labels are painted into {row.image}", row.frame_index)


def _outlined_elsewhere(context: Context) -> Iterator[Finding]:
    for frame_index, share in context.outlined_elsewhere.items():
        yield Finding(
            f"frame {frame_index}: outlines are painted elsewhere than the masks lie "
            f"({100 * share:.0f} % of the masks' edges have one)",
            frame_index,
            value=share,
        )


def _repeated(context: Context) -> Iterator[Finding]:
    hashed = context.frames[context.frames["has_picture"] & context.frames["image_sha256"].notna()]
    first = hashed.groupby("image_sha256", sort=False)["frame_index"].transform("min")
    again = hashed[hashed["frame_index"] != first]
    for row, original in zip(rows(again), first.loc[again.index], strict=True):
        yield Finding(f"frame {row.frame_index} shows exactly the picture of frame {original}", row.frame_index)


CHECKS = (
    Check(
        id="missing_picture",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Frames with objects but without a picture; they cannot be trained on.",
        remedy=_GIVE_VIDEO,
        measure=_missing,
        threshold="max_missing_picture_share",
    ),
    Check(
        id="picture_without_record",
        severity=Severity.WARNING,
        gates=None,
        meaning="Pictures in the export that no record mentions: the exporter lost the frame's annotations, or files "
        "were mixed.",
        remedy="Export the video again; if the frame is still without a record, delete its picture.",
        measure=_without_record,
    ),
    Check(
        id="wrong_picture_size",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="Every picture has its frame's size; otherwise every box in it is off.",
        remedy="Export the video again, or give the source video that the annotations were made on.",
        measure=_sizes,
    ),
    Check(
        id="burnt_in_overlay",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Pictures with masks, outlines and names painted in: a model learns to read the answer off them.",
        remedy=_GIVE_VIDEO,
        measure=_overlays,
        pictured="bare",
    ),
    Check(
        id="outlined_elsewhere",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Outlines in the export's pictures that lie elsewhere than its masks: pictures and masks are of two "
        "exports, or one of them was changed. A few frames are looked at.",
        remedy="Export the video again, and give the ZIP as the demo wrote it, without files of another export.",
        measure=_outlined_elsewhere,
        pictured="drawn",
    ),
    Check(
        id="duplicate_picture",
        severity=Severity.WARNING,
        gates=None,
        meaning="Different frames with byte for byte the same picture: black frames past the end, or a frozen video.",
        remedy="Look at these frames; if the video stands still or has ended there, export fewer of them.",
        measure=_repeated,
        pictured="bare",
    ),
)
