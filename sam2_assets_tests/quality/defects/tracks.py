"""Objects over time."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sam2_assets_tests.quality.defects.clean_export import FRAMES, CleanExport, Mask, square
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def moved(mask: Mask, dx: int, dy: int) -> Mask:
    """The mask shifted by whole pixels; what leaves the frame is cut off."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    ys, xs = np.nonzero(mask)
    ys, xs = ys + dy, xs + dx
    inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
    out[ys[inside], xs[inside]] = 1
    return out


def _away(*positions: int) -> Change:
    def change(export: CleanExport) -> None:
        for position in positions:
            export.drop(position, 1)

    return change


def _crosses(export: CleanExport) -> None:
    """Another object, above the others, that crosses two thirds of the frame in ten annotated frames."""
    for position in range(10):
        export.put(position, 7, moved(export.mask(0, 0), 40 * position - 60, -140), "ball")


def _leaps(export: CleanExport) -> None:
    """From the middle of the video on the fish is on the other side."""
    for position in range(FRAMES // 2, FRAMES):
        export.put(position, 0, moved(export.mask(position, 0), 330, -130))


def _leaps_and_returns(export: CleanExport) -> None:
    export.put(12, 0, moved(export.mask(12, 0), 330, -130))


def scaled(mask: Mask, factor: float) -> Mask:
    """The mask enlarged about its centre."""
    x, y, w, h = cv2.boundingRect(mask)
    cx, cy = x + w / 2, y + h / 2
    about = np.array([[factor, 0, cx * (1 - factor)], [0, factor, cy * (1 - factor)]])
    return np.asarray(cv2.warpAffine(mask, about, mask.shape[::-1], flags=cv2.INTER_NEAREST), np.uint8)


def _shrunk(factor_at: Callable[[int], float]) -> Change:
    def change(export: CleanExport) -> None:
        for position in range(FRAMES):
            export.put(position, 0, scaled(export.mask(position, 0), factor_at(position)))

    return change


def _in_first(count: int) -> Change:
    """Another balloon, in the first frames only."""

    def change(export: CleanExport) -> None:
        for position in range(count):
            export.put(position, 7, square(40 + position, 30, 24), "balloon")

    return change


def _change_places(export: CleanExport) -> None:
    for position in range(FRAMES // 2, FRAMES):
        fish, balloon = export.mask(position, 0), export.mask(position, 1)
        export.put(position, 0, balloon)
        export.put(position, 1, fish)


def _pass_each_other(export: CleanExport) -> None:
    """Two more objects that meet in the middle, one a little above the other, and go on."""
    for position in range(FRAMES):
        export.put(position, 7, square(60 + 18 * position, 20, 50), "ball")
        export.put(position, 8, square(520 - 18 * position, 45, 50), "drum")


def _comes_back(dx: int, dy: int, label: str = "balloon") -> Change:
    """The balloon is away for four frames, and comes back moved by so many pixels."""

    def change(export: CleanExport) -> None:
        _away(*range(10, 14))(export)
        for position in range(14, FRAMES):
            export.put(position, 1, moved(export.mask(position, 1), dx, dy), label)

    return change


DEFECTS = (
    Defect(
        "object_vanishes",
        Case("an object is away for one annotated frame", _away(9)),
        Case("an object goes away before the end", _away(*range(14, FRAMES))),
    ),
    Defect(
        "object_jumps",
        Case("an object leaps to the other side of the frame", _leaps),
        Case("an object crosses the frame evenly in ten annotated frames", _crosses),
    ),
    Defect(
        "object_jumps",
        Case("an object is elsewhere for one frame", _leaps_and_returns),
        Case("an object crosses the frame evenly in ten annotated frames", _crosses),
    ),
    Defect(
        "area_changes_abruptly",
        Case("an object shrinks to a fifth at once", _shrunk(lambda i: 1 if i < FRAMES // 2 else 0.45)),
        Case("an object shrinks to a fifth evenly", _shrunk(lambda i: 1 - 0.55 * i / FRAMES)),
    ),
    Defect(
        "single_frame_track",
        Case("an object is in one frame only", _in_first(1)),
        Case("an object is in the first two frames", _in_first(2)),
    ),
    Defect(
        "identity_switch",
        Case("two objects change places", _change_places, also=frozenset({"object_jumps"})),
        Case("two objects pass each other", _pass_each_other),
    ),
    Defect(
        "id_reused",
        Case("an id comes back elsewhere", _comes_back(-290, 30)),
        Case("an object comes back where it was", _comes_back(0, 0)),
    ),
    Defect(
        "id_reused",
        Case(
            "an id comes back as another class", _comes_back(0, 0, "air ship"), frozenset({"one_object_changes_label"})
        ),
        Case("an object comes back near where it was", _comes_back(-60, 20)),
    ),
)
