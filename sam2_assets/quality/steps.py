"""How each object gets from one annotated frame to the next: how far, how much larger or smaller, and how suddenly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_EDGE_SHARE = 0.01
"""A box this near to the frame's edge touches it: masks on a coarse grid end a pixel or two before it."""

_KEPT = [
    *("frame_index", "object_id", "label", "time_s", "frame_w", "frame_h"),
    *("mask_x", "mask_y", "mask_w", "mask_h", "mask_area_scaled"),
]


def steps_table(present: pd.DataFrame, frames: pd.DataFrame, max_seconds: float) -> pd.DataFrame:
    """The rows of ``present``, by object and time, each with its step from the object's row before.

    Kept columns: frame, object, label, time, frame size, box and area of the mask.

    Added columns:

    - ``position`` of the frame among the annotated ones; ``before``, the frame index of the row before; ``gap``,
      annotated frames in which the object was away since; ``adjacent``: no gap, and at most ``max_seconds`` between.
    - ``was_x/y/w/h``, ``was_label``, ``was_at_edge``: of the row before; ``at_edge``: the box touches the frame's edge.
    - ``moved``: the box's centre since then, in frame diagonals; ``factor``: larger over smaller mask area.
    - ``leap`` and ``burst``: the same as far as neither the step before nor the one after explains it (an object that
      moves fast and evenly, or grows steadily, has none); ``overlap``: IoU with the box before. Null unless adjacent.

    Args:
        present: of ``Context``; sound and not empty.
        frames: of ``Context``, by frame index.
        max_seconds: steps that take longer are not compared.
    """
    known = frames["frame_index"].to_numpy(np.int64)
    place = np.searchsorted(known, present["frame_index"].to_numpy(np.int64))
    order = np.lexsort((place, present["object_id"].to_numpy(np.int64)))
    table = present[_KEPT].take(order).reset_index(drop=True)
    number, position, frame = table["object_id"].to_numpy(), place[order], table["frame_index"].to_numpy(np.int64)
    x, y, w, h = (table[f"mask_{name}"].to_numpy(np.float64) for name in "xywh")
    area, time = table["mask_area_scaled"].to_numpy(np.float64), table["time_s"].to_numpy(np.float64)
    follows = _since(number) == 0
    gap = np.where(follows, _since(position) - 1, np.nan)
    near = follows & (gap == 0) & ~(_since(time) > max_seconds)
    was = [np.where(follows, _before(each), np.nan) for each in (x, y, w, h)]
    label = table["label"].to_numpy(dtype=object)
    was_label = np.full(len(table), None, object)
    was_label[follows] = label[np.flatnonzero(follows) - 1]
    at_edge = _touches(x, y, w, h, table["frame_w"].to_numpy(), table["frame_h"].to_numpy())
    was_at_edge = np.zeros(len(table), bool)
    was_at_edge[1:] = at_edge[:-1]
    diagonal = np.hypot(table["frame_w"].to_numpy(), table["frame_h"].to_numpy())
    dx = np.where(follows, _since(x + w / 2) / diagonal, np.nan)
    dy = np.where(follows, _since(y + h / 2) / diagonal, np.nan)
    growth = np.where(follows, _since(np.log(area)), np.nan)
    return table.assign(
        position=position,
        gap=gap,
        before=np.where(follows, _before(frame), np.nan),
        adjacent=near,
        **{f"was_{name}": each for name, each in zip("xywh", was, strict=True)},
        was_label=was_label,
        at_edge=at_edge,
        was_at_edge=was_at_edge & follows,
        moved=np.hypot(dx, dy),
        factor=np.exp(np.abs(growth)),
        leap=_unexplained(near, dx, dy),
        burst=np.exp(_unexplained(near, growth, np.zeros(len(table)))),
        overlap=np.where(near, _overlap((x, y, w, h), was), np.nan),
    )


def _before(values: NDArray[np.generic]) -> Floats:
    """Of each row that of the row before."""
    shifted = np.full(len(values), np.nan)
    shifted[1:] = values[:-1]
    return shifted


def _since(values: NDArray[np.generic]) -> Floats:
    """How much each row has more than the row before."""
    change = np.full(len(values), np.nan)
    change[1:] = np.diff(values)
    return change


def _touches(x: Floats, y: Floats, w: Floats, h: Floats, width: Floats, height: Floats) -> NDArray[np.bool_]:
    near_x, near_y = _EDGE_SHARE * width, _EDGE_SHARE * height
    return np.asarray((x <= near_x) | (y <= near_y) | (x + w >= width - near_x) | (y + h >= height - near_y))


def _unexplained(adjacent: NDArray[np.bool_], u: Floats, v: Floats) -> Floats:
    """Length of the step ``(u, v)`` or of its difference from the one before or after, whichever is least."""
    u, v = np.where(adjacent, u, np.nan), np.where(adjacent, v, np.nan)
    least = np.hypot(u, v)
    later = (np.append(u[1:], np.nan)[: len(u)], np.append(v[1:], np.nan)[: len(v)])
    for nu, nv in ((_before(u), _before(v)), later):
        least = np.fmin(least, np.where(adjacent, np.hypot(u - nu, v - nv), np.nan))
    return least


def _overlap(now: Sequence[Floats], was: Sequence[Floats]) -> Floats:
    (x, y, w, h), (was_x, was_y, was_w, was_h) = now, was
    across = np.minimum(x + w, was_x + was_w) - np.maximum(x, was_x)
    down = np.minimum(y + h, was_y + was_h) - np.maximum(y, was_y)
    both = np.maximum(across, 0.0) * np.maximum(down, 0.0)
    return np.asarray(both / (w * h + was_w * was_h - both), np.float64)
