"""The numbers at the head of a report: what a video holds, and what each of its classes does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sam2_assets.quality.context import Context
from sam2_assets.quality.lettering import colour, printable_labels
from sam2_assets.tables import ImageOrigin

COUNT_NAMES = {
    "frames": "annotated frames",
    "objects": "annotations",
    "usable_frames": "usable frames",
    "present_objects": "annotations with a mask",
    "tracks": "objects",
    "classes": "classes",
}
"""What people read for each count of ``quality.json``."""
ORIGIN_NAMES = {
    ImageOrigin.SOURCE_VIDEO: "from the source video",
    ImageOrigin.EXPORT_CLEAN: "from the export, clean",
    ImageOrigin.EXPORT_OVERLAY: "from the export, painted",
    ImageOrigin.MISSING: "missing",
}


@dataclass(frozen=True)
class Summary:
    """Facts about one video.

    Args:
        video_id: its identity.
        counts: by the keys of ``COUNT_NAMES``; of rows as given, and only these, where the tables are unsound.
        size: of the frames, pixels.
        seconds: from the first to the last annotated frame.
        origins: where the pictures come from, in words, and how many.
    """

    video_id: str
    counts: dict[str, int]
    size: str
    seconds: str
    origins: dict[str, int]


def summarise(context: Context) -> Summary:
    """Count what the tables hold."""
    given = context.given
    counts = {"frames": len(given.frames), "objects": len(given.objects)}
    video_id = str(given.frames["video_id"].iloc[0]) if "video_id" in given.frames and len(given.frames) else ""
    if not context.sound_columns:
        return Summary(video_id, counts, "", "", {})
    counts |= {
        "usable_frames": len(context.usable_frames),
        "present_objects": len(context.present_objects),
        "tracks": int(context.objects["object_id"].nunique()),
        "classes": int(context.objects["label"].nunique()),
    }
    frames = context.frames
    sizes = sorted({f"{w} × {h}" for w, h in zip(frames["width"], frames["height"], strict=True)})
    span = f"{frames['time_s'].min():.2f} to {frames['time_s'].max():.2f} s" if len(frames) else "no frames"
    origins = {
        ORIGIN_NAMES[ImageOrigin(str(k))]: int(v) for k, v in frames["image_origin"].value_counts().sort_index().items()
    }
    return Summary(video_id, counts, ", ".join(sizes), span, origins)


@dataclass(frozen=True)
class ClassRow:
    """One class of the legend.

    Args:
        number: its place, from 1, among the sorted labels.
        label: as annotated.
        drawn: what pictures call it.
        tracks: ids of its objects.
        colours: CSS colours of the first of these objects, as on the pictures.
        annotations: masks that are not empty.
        frames: that show it.
        share: mean share of the frame that one of its masks covers, for people.
        bar: per cent of the most frequent class's annotations.
    """

    number: int
    label: str
    drawn: str
    tracks: Sequence[int]
    colours: Sequence[str]
    annotations: int
    frames: int
    share: str
    bar: int


def class_rows(context: Context, most_colours: int = 8) -> list[ClassRow]:
    """One row a class, by label."""
    if not context.sound_columns:
        return []
    present, drawn = context.present_objects, printable_labels(context.objects["label"])
    most = int(present["label"].value_counts().max()) if len(present) else 0
    share = present["mask_area_nearest"] / (present["frame_w"] * present["frame_h"])
    entries = []
    for number, label in enumerate(sorted(context.objects["label"].unique()), 1):
        mine: Any = present["label"] == label
        count = int(mine.sum())
        tracks = sorted({int(i) for i in context.objects.loc[context.objects["label"] == label, "object_id"]})
        entries.append(
            ClassRow(
                number=number,
                label=label,
                drawn=drawn[label],
                tracks=tracks,
                colours=["rgb({}, {}, {})".format(*colour(track)) for track in tracks[:most_colours]],
                annotations=count,
                frames=int(present.loc[mine, "frame_index"].nunique()),
                share=f"{100 * share[mine].mean():.2g} %" if count else "–",
                bar=round(100 * count / most) if most else 0,
            )
        )
    return entries
