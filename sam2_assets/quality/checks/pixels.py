"""Checks of what the pictures show, by the measures that the import took of them: nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sam2_assets.pixels import as_integers, hamming
from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity, Stage
from sam2_assets.quality.rows import rows
from sam2_assets.tables import ImageOrigin

_GIVE_VIDEO = "Put the source video beside the export (same name, a video suffix) and import again."
_LEAVE_OUT = "Look at these frames; if a person could not see the objects in them, delete their annotations and export."
# The hash of an even picture is that of its noise.
_EVEN = 0.01
_FEWEST_FOR_MEDIAN = 5
_COMPARED_AT_ONCE = 512


def _corrupt(context: Context) -> Iterator[Finding]:
    for row in rows(context.pictures[context.pictures["problem"] != ""]):
        yield Finding(f"frame {row.frame_index}: {row.image} is damaged or cut short", row.frame_index)


def _false_colours(context: Context) -> Iterator[Finding]:
    pictures = context.readable_pictures
    for row in rows(pictures[pictures["wrapped_share"] > context.settings.max_wrapped_share]):
        yield Finding(
            f"frame {row.frame_index}: single colours of {row.image} leap between nothing and all in "
            f"{100 * row.wrapped_share:.1f} % of its places",
            row.frame_index,
            value=row.wrapped_share,
        )
    if context.channels_exchanged:
        own = context.frames["has_picture"] & (context.frames["image_origin"] != str(ImageOrigin.SOURCE_VIDEO))
        for row in rows(context.frames[own]):
            yield Finding(f"frame {row.frame_index}: red and blue are exchanged in {row.image}", row.frame_index)


def _is_black(context: Context) -> pd.Series:
    return context.readable_pictures["level_p99"] <= context.settings.black_level


def _black(context: Context) -> Iterator[Finding]:
    annotated = set(context.present_objects["frame_index"])
    for row in rows(context.readable_pictures[_is_black(context)]):
        objects = row.frame_index in annotated
        yield Finding(
            f"frame {row.frame_index}: {row.image} is black{', but has objects' if objects else ''}",
            row.frame_index,
            value=row.level_p99,
            tolerated=not objects,
        )


def _overexposed(context: Context) -> Iterator[Finding]:
    pictures = context.readable_pictures
    for row in rows(pictures[pictures["highlight_share"] > context.settings.max_highlight_share]):
        yield Finding(
            f"frame {row.frame_index}: {100 * row.highlight_share:.0f} % of {row.image} is burnt out",
            row.frame_index,
            value=row.highlight_share,
        )


def _underexposed(context: Context) -> Iterator[Finding]:
    pictures = context.readable_pictures[~_is_black(context)]
    for row in rows(pictures[pictures["shadow_share"] > context.settings.max_shadow_share]):
        yield Finding(
            f"frame {row.frame_index}: {100 * row.shadow_share:.0f} % of {row.image} is without light",
            row.frame_index,
            value=row.shadow_share,
        )


def _blurred(context: Context) -> Iterator[Finding]:
    seen = context.readable_pictures[~_is_black(context)]
    pictures = seen[seen["contrast"] > _EVEN]
    usual = float(pictures["blur"].median()) if len(pictures) >= _FEWEST_FOR_MEDIAN else 1.0
    most = min(context.settings.max_blur, usual + context.settings.max_blur_rise)
    for row in rows(pictures[pictures["blur"] > most]):
        yield Finding(
            f"frame {row.frame_index}: {row.image} is blurred ({row.blur:.2f} on a scale from 0 to 1; the video's "
            f"median: {pictures['blur'].median():.2f})",
            row.frame_index,
            value=row.blur - usual,
        )


def _frozen(context: Context) -> Iterator[Finding]:
    pictures = context.readable_pictures[~_is_black(context)]
    same = pictures[pictures["change_peak"] <= context.settings.max_frozen_change]
    if same.empty:
        return
    centres = context.present_objects.assign(
        centre_x=lambda o: o["mask_x"] + o["mask_w"] / 2, centre_y=lambda o: o["mask_y"] + o["mask_h"] / 2
    )[["frame_index", "object_id", "centre_x", "centre_y"]]
    facts = same[["frame_index", "compared_with", "image", "frame_w", "frame_h"]].astype({"compared_with": "int64"})
    moved = facts.merge(centres, on="frame_index").merge(
        centres.rename(columns={"frame_index": "compared_with"}),
        on=["compared_with", "object_id"],
        suffixes=("", "_old"),
    )
    distance = np.hypot(moved["centre_x"] - moved["centre_x_old"], moved["centre_y"] - moved["centre_y_old"])
    moved = moved.assign(share=distance / np.hypot(moved["frame_w"], moved["frame_h"]))
    furthest = moved.sort_values("share", ascending=False, kind="stable").drop_duplicates("frame_index")
    for row in rows(furthest.sort_values("frame_index")):
        if row.share >= context.settings.min_frozen_move_share:
            yield Finding(
                f"frame {row.frame_index} shows the picture of frame {row.compared_with}, but object {row.object_id} "
                f"moves by {100 * row.share:.0f} % of the diagonal",
                row.frame_index,
                row.object_id,
                value=row.share,
            )


def _near_duplicates(context: Context) -> Iterator[Finding]:
    """Pictures in order form runs that look like the first of their run; a run may look like an earlier one again."""
    pictures = context.readable_pictures[context.readable_pictures["contrast"] > _EVEN]
    hashes, frames = as_integers(pictures["phash"].tolist()), pictures["frame_index"].tolist()
    if not frames:
        return
    most = context.settings.near_duplicate_bits
    starts: list[int] = []
    for i in range(len(hashes)):
        if not starts or int(hamming(hashes[starts[-1]], hashes[i])) > most:
            starts.append(i)
    for start, end in zip(starts, [*starts[1:], len(hashes)], strict=True):
        if end - start > 1:
            yield Finding(
                f"frames {frames[start]} to {frames[end - 1]}: {end - start} pictures look alike",
                frames[start],
                value=float(end - start),
            )
    firsts = hashes[starts]
    for begin in range(0, len(starts), _COMPARED_AT_ONCE):
        part = slice(begin, begin + _COMPARED_AT_ONCE)
        alike = hamming(firsts[part, None], firsts[None, :]) <= most
        for offset, earlier in enumerate(alike):
            number = begin + offset
            seen = np.flatnonzero(earlier[:number])
            if len(seen):
                yield Finding(
                    f"frame {frames[starts[number]]} looks like frame {frames[starts[seen[0]]]} again",
                    frames[starts[number]],
                    value=float(hamming(firsts[number], firsts[seen[0]])),
                )


CHECKS = (
    Check(
        id="corrupt_picture",
        severity=Severity.ERROR,
        gates=Stage.INSTRUCTION_DATASET,
        meaning="Every picture can be decoded to its last line; training would stop at one that cannot.",
        remedy="Export the video again, or give the source video; the picture in the file is damaged.",
        measure=_corrupt,
        waivable=False,
    ),
    Check(
        id="false_colours",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Pictures with colours that overflowed (an early exporter drew them on numbers meant for a network), "
        "or with red and blue exchanged, as painted contours tell.",
        remedy=_GIVE_VIDEO,
        measure=_false_colours,
        threshold="max_wrapped_share",
        pictured="bare",
    ),
    Check(
        id="black_picture",
        severity=Severity.ERROR,
        gates=Stage.TRAINING_PLAN,
        meaning="Black pictures with objects, as where the video is shorter than its annotations: a model learns to "
        "see what is not there.",
        remedy=f"{_GIVE_VIDEO} Or delete the annotations of these frames.",
        measure=_black,
        threshold="black_level",
        pictured="drawn",
    ),
    Check(
        id="overexposed_picture",
        severity=Severity.WARNING,
        gates=None,
        meaning="Pictures that are burnt out to white for the most part.",
        remedy=_LEAVE_OUT,
        measure=_overexposed,
        threshold="max_highlight_share",
        pictured="bare",
    ),
    Check(
        id="underexposed_picture",
        severity=Severity.WARNING,
        gates=None,
        meaning="Pictures that are without light for the most part, but not black.",
        remedy=_LEAVE_OUT,
        measure=_underexposed,
        threshold="max_shadow_share",
        pictured="bare",
    ),
    Check(
        id="blurred_picture",
        severity=Severity.WARNING,
        gates=None,
        meaning="Pictures far more blurred than the video's others, or than any footage: motion, focus, a cross-fade.",
        remedy=_LEAVE_OUT,
        measure=_blurred,
        threshold="max_blur_rise",
        pictured="bare",
    ),
    Check(
        id="frozen_picture",
        severity=Severity.WARNING,
        gates=None,
        meaning="Pictures that stand still while their masks move on: pictures and annotations are out of step.",
        remedy=_GIVE_VIDEO,
        measure=_frozen,
        threshold="max_frozen_change",
        pictured="sequence",
    ),
    Check(
        id="near_duplicate_picture",
        severity=Severity.INFO,
        gates=None,
        meaning="Pictures that look alike, one after another or again later; they teach little more than one of them.",
        remedy="Nothing has to be done; fewer exported frames a second give as much to learn in less time.",
        measure=_near_duplicates,
        threshold="near_duplicate_bits",
    ),
)
