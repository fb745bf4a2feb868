"""The pictures of the report that show the whole video: sample frames, boxes before and after repair, charts."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from sam2_assets.pixels import PICTURES_FILE
from sam2_assets.quality.context import Context
from sam2_assets.quality.crops import Picture, spread, within
from sam2_assets.quality.findings import Findings
from sam2_assets.quality.lettering import printable_labels
from sam2_assets.quality.pictures import contact_sheet, draw_frame, jpeg, side_by_side
from sam2_assets.quality.rows import rows
from sam2_assets.quality.timeline import Timeline, timeline
from sam2_assets.tables import Provenance, Tables

"""Of the import: one row a picture. Folders of earlier versions have none."""
_SHEET_WIDTH = 1280
_TILE_WIDTH = 480
_MOST_TILES = 24
_MOST_TILE_BYTES = 2_000_000
_MOST_SHEET = 48
_PAIR_TILE = 420
_GAP = 6


class Gallery:
    """Pictures of one video whose tables have sound columns and at least one frame.

    Args:
        context: of the video.
        findings: marked on the timeline.
    """

    def __init__(self, context: Context, findings: Findings) -> None:
        self._context = context
        self._findings = findings
        self._sound = Tables(context.frames, context.objects)
        self._labels = printable_labels(context.objects["label"])

    @cached_property
    def timeline(self) -> Timeline:
        """When each object is seen."""
        return timeline(self._context, self._findings)

    @property
    def _sampled(self) -> list[int]:
        usable = self._context.usable_frames
        chosen = usable if len(usable) else self._context.frames
        return spread(chosen["frame_index"].tolist(), min(self._findings.settings.contact_sheet_frames, _MOST_SHEET))

    def tiles(self) -> list[Picture]:
        """The frames of the contact sheet one by one, so that a narrow screen can stack them."""
        times = dict(zip(self._sound.frames["frame_index"], self._sound.frames["time_s"], strict=True))
        shown = self._context.objects.groupby("frame_index").size().to_dict()
        pictures = []
        for i in spread(self._sampled, _MOST_TILES):
            drawn = draw_frame(self._sound, self._context.raw, i, _TILE_WIDTH, self._labels)
            number = shown.get(i, 0)
            caption = f"frame {i} · {times[i]:.2f} s · {number} annotation{'s' if number != 1 else ''}"
            alt = f"Frame {i} with the masks, boxes and names of its {number} annotations"
            pictures.append(Picture(f"frame_{i:06d}.jpg", caption, alt, jpeg(drawn)))
        return within([("tiles", pictures)], _MOST_TILE_BYTES).by_check.get("tiles", [])

    def pictures(self) -> dict[str, Picture]:
        """By role: ``sheet``, ``classes``, ``tracks``, ``counts``, ``areas``.

        Also ``boxes`` if any were repaired, and ``measures`` if the import measured the pictures.
        """
        # matplotlib is slow to import, and the definitions import this package.
        from sam2_assets.quality import charts

        present, frames, labels = self._context.present_objects, self._context.frames, self._labels
        sheet = contact_sheet(self._sound, self._context.raw, self._sampled, _SHEET_WIDTH)
        made = {
            "sheet": Picture(
                "contact_sheet.jpg",
                "Frames spread over the video, with masks, boxes and labels",
                "Frames of the video with the annotated masks, boxes and names drawn on them",
                jpeg(sheet),
            )
        }
        boxes = self._boxes()
        if boxes is not None:
            made["boxes"] = boxes
        drawn = {
            "classes": ("classes", "Annotations per class", charts.class_histogram(present, labels)),
            "tracks": ("tracks", "When each object is seen", charts.track_timeline(self.timeline, labels)),
            "counts": (
                "objects_over_time",
                "Objects in each annotated frame",
                charts.objects_over_time(frames, present),
            ),
            "areas": (
                "area_over_time",
                "Share of the frame that each object covers",
                charts.area_over_time(frames, present, labels),
            ),
        }
        alts = {
            "classes": "Bar chart; the table of classes has the same numbers",
            "tracks": "One line an object over time; gaps are frames without it",
            "counts": "Line chart of the number of objects over time",
            "areas": "Line chart of each object's area over time",
        }
        measures = self._measures()
        if not measures.empty:
            caption = "Brightness and sharpness of the pictures"
            drawn["measures"] = ("picture_measures", caption, charts.picture_measures(measures))
            alts["measures"] = "Line chart of the pictures' brightness and sharpness over time, 0 to 1"
        made |= {
            role: Picture(f"{name}.png", caption, alts[role], data) for role, (name, caption, data) in drawn.items()
        }
        return made

    def _measures(self) -> pd.DataFrame:
        """Measures of the readable pictures with their times; empty if the import has not measured any."""
        recorded = self._context.raw / PICTURES_FILE
        if not recorded.is_file():
            return pd.DataFrame()
        measures = pd.read_parquet(recorded, columns=["frame_index", "problem", "brightness", "blur"])
        times = self._context.frames[["frame_index", "time_s"]]
        return times.merge(measures[measures["problem"] == ""], on="frame_index").sort_values("time_s")

    def _boxes(self) -> Picture | None:
        """One frame with the boxes as the export states them, beside the same with the boxes in use."""
        repaired = self._context.present_objects
        repaired = repaired[(repaired["box_provenance"] == Provenance.RECOMPUTED) & repaired["has_picture"]]
        if repaired.empty:
            return None
        frame = spread(sorted(repaired["frame_index"].unique().tolist()), 1)[0]
        mine = rows(repaired[repaired["frame_index"] == frame])
        stated = [(row.declared_x, row.declared_y, row.declared_w, row.declared_h) for row in mine]
        bare = Tables(self._sound.frames, self._sound.objects.iloc[:0])
        tiles = [
            draw_frame(bare, self._context.raw, frame, _PAIR_TILE, self._labels, dashed=stated),
            draw_frame(self._sound, self._context.raw, frame, _PAIR_TILE, self._labels),
        ]
        captions = [f"frame {frame}: boxes as the export states them", f"frame {frame}: boxes in use, from the masks"]
        return Picture(
            "boxes.jpg",
            "Boxes before and after the repair",
            f"Frame {frame} twice: with the boxes as stated, dashed, and with the boxes computed from the masks",
            jpeg(side_by_side(tiles, captions, 2 * _PAIR_TILE + _GAP, 2)),
        )
