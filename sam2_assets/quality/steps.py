"""How each object gets from one annotated frame to the next: how far, how much larger or smaller, and how suddenly."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_EDGE_SHARE = 0.01
"""A box this near to the frame's edge touches it: masks on a coarse grid end a pixel or two before it."""


def steps_table(present: pd.DataFrame, frames: pd.DataFrame, max_seconds: float) -> pd.DataFrame:
    """The rows of ``present``, by object and time, each with its step from the object's row before.

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
    position = {frame: i for i, frame in enumerate(frames["frame_index"])}
    table = present.assign(position=present["frame_index"].map(position).astype("int64"))
    table = table.sort_values(["object_id", "position"], kind="stable").reset_index(drop=True)
    follows = (table["object_id"].diff() == 0).to_numpy(bool)
    table["gap"] = (table["position"].diff() - 1).where(follows)
    table["before"] = table["frame_index"].shift().where(follows)
    late = table["time_s"].diff() > max_seconds
    table["adjacent"] = follows & (table["gap"] == 0) & ~late
    for name in "xywh":
        table[f"was_{name}"] = table[f"mask_{name}"].shift().where(follows)
    table["was_label"] = table["label"].shift().where(follows)
    table["at_edge"] = _touches(table)
    table["was_at_edge"] = table["at_edge"].shift(fill_value=False).to_numpy(bool) & follows
    diagonal = np.hypot(table["frame_w"], table["frame_h"])
    dx: pd.Series[float] = ((table["mask_x"] + table["mask_w"] / 2).diff() / diagonal).where(follows)
    dy: pd.Series[float] = ((table["mask_y"] + table["mask_h"] / 2).diff() / diagonal).where(follows)
    growth = pd.Series(np.log(table["mask_area_scaled"]), index=table.index).diff().where(follows)
    table["moved"], table["factor"] = np.hypot(dx, dy), np.exp(growth.abs())
    near = table["adjacent"].to_numpy(bool)
    table["leap"] = _unexplained(near, dx.to_numpy(), dy.to_numpy())
    table["burst"] = np.exp(_unexplained(near, growth.to_numpy(), np.zeros(len(table))))
    table["overlap"] = np.where(near, _overlap(table), np.nan)
    return table


def _touches(table: pd.DataFrame) -> pd.Series[bool]:
    near_x, near_y = _EDGE_SHARE * table["frame_w"], _EDGE_SHARE * table["frame_h"]
    return (
        (table["mask_x"] <= near_x)
        | (table["mask_y"] <= near_y)
        | (table["mask_x"] + table["mask_w"] >= table["frame_w"] - near_x)
        | (table["mask_y"] + table["mask_h"] >= table["frame_h"] - near_y)
    )


def _unexplained(adjacent: NDArray[np.bool_], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the step ``(u, v)`` or of its difference from the one before or after, whichever is least."""
    u, v = np.where(adjacent, u, np.nan), np.where(adjacent, v, np.nan)
    least = np.hypot(u, v)
    for shift in (1, -1):
        nu, nv = (pd.Series(each).shift(shift).to_numpy() for each in (u, v))
        least = np.fmin(least, np.where(adjacent, np.hypot(u - nu, v - nv), np.nan))
    return least


def _overlap(table: pd.DataFrame) -> NDArray[np.float64]:
    x, y, w, h = (table[f"mask_{name}"].to_numpy(np.float64) for name in "xywh")
    was_x, was_y, was_w, was_h = (table[f"was_{name}"].to_numpy(np.float64) for name in "xywh")
    across = np.minimum(x + w, was_x + was_w) - np.maximum(x, was_x)
    down = np.minimum(y + h, was_y + was_h) - np.maximum(y, was_y)
    both = np.maximum(across, 0.0) * np.maximum(down, 0.0)
    return np.asarray(both / (w * h + was_w * was_h - both), np.float64)
