"""Pictures of findings: cropped to the object, as a sequence where it comes and goes, or the bare frame."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.drawing import Box
from sam2_assets.quality.lettering import printable_labels
from sam2_assets.quality.pictures import draw_frame, jpeg, side_by_side, window_around
from sam2_assets.quality.rows import rows
from sam2_assets.tables import Tables

_CROP_WIDTH = 400
_TILE_WIDTH = 300
_GAP = 6


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Args:
        name: of its file.
        caption: stands below it.
        alt: says what is seen to those who do not see it.
        data: PNG or JPEG, as the name says.
        wide: several frames abreast; needs the page's whole width.
    """

    name: str
    caption: str
    alt: str
    data: bytes
    wide: bool = False

    @property
    def uri(self) -> str:
        """The picture as an address that needs no file."""
        kind = "png" if self.name.endswith(".png") else "jpeg"
        return f"data:image/{kind};base64," + base64.b64encode(self.data).decode("ascii")


class FindingPictures:
    """Draws findings of one video whose tables have sound columns."""

    def __init__(self, context: Context) -> None:
        self._raw = context.raw
        self._frames = context.frames
        self._objects = context.objects
        self._order = context.frames["frame_index"].tolist()
        self._labels = printable_labels(context.objects["label"])
        # By object and frame: its box and, should that be elsewhere, its mask's.
        self._seen: dict[int, dict[int, list[Box]]] = {}
        for row in rows(context.objects):
            both = ((row.box_x, row.box_y, row.box_w, row.box_h), (row.mask_x, row.mask_y, row.mask_w, row.mask_h))
            boxes = [box for box in both if box[2] > 0 and box[3] > 0]
            if boxes:
                self._seen.setdefault(row.object_id, {})[row.frame_index] = boxes

    def of(self, check: Check, findings: pd.DataFrame, most: int) -> list[Picture]:
        """Pictures of at most ``most`` of a check's findings, spread over those that name a frame of the video."""
        if check.pictured == "no":
            return []
        known = findings.dropna(subset="frame_index")
        known = known[known["frame_index"].isin(self._order)].drop_duplicates(subset=["frame_index", "object_id"])
        return [self._draw(check, row) for row in spread(rows(known), most)]

    def _draw(self, check: Check, row: Any) -> Picture:
        frame = int(row.frame_index)
        target = None if pd.isna(row.object_id) else int(row.object_id)
        name = f"{check.id}_{frame:06d}" + ("" if target is None else f"_{target}") + ".jpg"
        if check.pictured == "bare":
            bare = Tables(self._frames, self._objects.iloc[:0])
            picture = draw_frame(bare, self._raw, frame, _CROP_WIDTH, self._labels)
            return Picture(name, row.message, f"Frame {frame} as it is", jpeg(picture))
        seen = self._seen.get(target, {}) if target is not None else {}
        if seen and (check.pictured == "sequence" or frame not in seen):
            return self._sequence(name, row.message, frame, target, seen)
        tables = Tables(self._frames, self._objects)
        if frame not in seen:
            picture = draw_frame(tables, self._raw, frame, _CROP_WIDTH, self._labels)
            return Picture(name, row.message, f"Frame {frame} with its objects", jpeg(picture))
        window = window_around(seen[frame], self._size(frame))
        picture = draw_frame(tables, self._raw, frame, _CROP_WIDTH, self._labels, window=window, focus=target)
        return Picture(name, row.message, f"Object {target} in frame {frame}, cropped to it", jpeg(picture))

    def _sequence(self, name: str, message: str, frame: int, target: int | None, seen: dict[int, list[Box]]) -> Picture:
        """The frame between the nearest earlier and later ones that show the object, all cropped alike.

        Where the object is not in the frame, its last (else its next) box is dashed.
        """
        at = self._order.index(frame)
        before = next((i for i in reversed(self._order[:at]) if i in seen), None)
        after = next((i for i in self._order[at + 1 :] if i in seen), None)
        shown = [i for i in (before, frame, after) if i is not None]
        window = window_around([box for i in shown for box in seen.get(i, ())], self._size(frame), margin=1.4)
        elsewhere = before if before is not None else after
        tables = Tables(self._frames, self._objects)
        tiles = [
            draw_frame(
                tables,
                self._raw,
                i,
                _TILE_WIDTH,
                self._labels,
                window=window,
                focus=target,
                dashed=[] if i in seen or elsewhere is None else seen[elsewhere][:1],
            )
            for i in shown
        ]
        captions = [f"frame {i}" + ("" if i in seen else f": object {target} is not there") for i in shown]
        width = len(tiles) * _TILE_WIDTH + (len(tiles) - 1) * _GAP
        alt = f"Object {target} in the frames " + ", ".join(str(i) for i in shown)
        return Picture(name, message, alt, jpeg(side_by_side(tiles, captions, width, len(tiles))), wide=True)

    def _size(self, frame: int) -> tuple[float, float]:
        row = self._frames[self._frames["frame_index"] == frame].iloc[0]
        return float(row["width"]), float(row["height"])


@dataclass(frozen=True)
class Chosen:
    """The pictures that fit: by check id, and how many more were drawn but left out."""

    by_check: dict[str, list[Picture]]
    left_out: int


def within(drawn: Iterable[tuple[str, Sequence[Picture]]], most_bytes: int) -> Chosen:
    """As many pictures as fit into ``most_bytes``: first one a check, in the order given, then the others."""
    offered = list(drawn)
    kept: dict[str, list[Picture]] = {check_id: [] for check_id, _ in offered}
    room, left_out = most_bytes, 0
    for place in range(max((len(pictures) for _, pictures in offered), default=0)):
        for check_id, pictures in offered:
            if place < len(pictures):
                if len(pictures[place].data) <= room:
                    kept[check_id].append(pictures[place])
                    room -= len(pictures[place].data)
                else:
                    left_out += 1
    return Chosen({check_id: pictures for check_id, pictures in kept.items() if pictures}, left_out)


def spread(items: list[Any], most: int) -> list[Any]:
    """At most ``most`` items, evenly spaced, first and last among them."""
    if len(items) <= most:
        return items
    if most == 1:
        return [items[len(items) // 2]]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
