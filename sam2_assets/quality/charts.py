"""The report's charts, as PNG bytes: classes, counts and areas over time, and when each object is seen."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam2_assets.quality.lettering import colour
from sam2_assets.quality.rows import grouped

_DPI = 150
_WIDE, _NARROW = 10.5, 5.6
"""Inches: charts that fill the page, and those that stand two abreast."""
_MOST_EVEN = 15
"""Areas that differ by more than this factor are drawn on a logarithmic scale."""
_INK = "#333a45"
_GRID = "#e4e7ec"
_MOST_ROWS = 40
_MOST_LINES = 10
"""More lines than colours cannot be told apart; the rest are summed up in the title."""


def class_histogram(objects: pd.DataFrame, labels: dict[str, str]) -> bytes:
    """Annotations per class, most frequent first; ``objects`` are those that are present."""
    counts = objects["label"].value_counts(sort=False)
    ordered = sorted(((int(count), str(label)) for label, count in counts.items()), key=lambda c: (-c[0], c[1]))
    shown = ordered[:_MOST_ROWS]
    figure, axes = _axes(_WIDE, 0.7 + 0.32 * max(len(shown), 2))
    bars = axes.barh(range(len(shown)), [count for count, _ in shown], height=0.68, color=_hex(0))
    axes.bar_label(bars, padding=4, color=_INK, fontsize=9)
    _rows(axes, [labels[label] for _, label in shown])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("annotations" + _left_out(len(ordered), len(shown), "classes"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.08)
    return _png(figure)


def objects_over_time(frames: pd.DataFrame, objects: pd.DataFrame) -> bytes:
    """Number of present objects in every annotated frame, over seconds."""
    counts = objects.groupby("frame_index").size().reindex(frames["frame_index"], fill_value=0)
    figure, axes = _axes(_NARROW, 3)
    axes.step(frames["time_s"], counts.to_numpy(), where="mid", color=_hex(0), linewidth=1.6)
    axes.plot(frames["time_s"], counts.to_numpy(), ".", color=_hex(0), markersize=4)
    axes.set_ylim(0, max(int(counts.max()) if len(counts) else 0, 1) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("seconds")
    axes.set_ylabel("objects in the frame")
    return _png(figure)


def area_over_time(objects: pd.DataFrame) -> bytes:
    """Share of the frame that each object covers, in per cent, over seconds; colours as in ``track_timeline``."""
    tracks = grouped(objects, "object_id")
    largest = sorted(tracks, key=lambda key: (-len(tracks[key]), key))[:_MOST_LINES]
    figure, axes = _axes(_NARROW, 3)
    shares: list[float] = []
    for (object_id,) in sorted(largest):
        track = tracks[(object_id,)]
        share = [100 * row.mask_area_nearest / (row.frame_w * row.frame_h) for row in track]
        style = {"color": _hex(object_id), "linewidth": 1.4, "marker": ".", "markersize": 4}
        axes.plot([row.time_s for row in track], share, **style)
        shares += share
    if shares and max(shares) > _MOST_EVEN * min(shares):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.15 * max(shares, default=1.0))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_xlabel("seconds" + _left_out(len(tracks), len(largest), "objects"))
    axes.set_ylabel("of the frame")
    return _png(figure)


def track_timeline(frames: pd.DataFrame, objects: pd.DataFrame, labels: dict[str, str]) -> bytes:
    """One line an object: where it is present in consecutive annotated frames, over seconds."""
    position = {frame: i for i, frame in enumerate(frames["frame_index"].tolist())}
    tracks = grouped(objects, "object_id")
    shown = sorted(tracks)[:_MOST_ROWS]
    figure, axes = _axes(_WIDE, 0.8 + 0.3 * max(len(shown), 2))
    for line, key in enumerate(shown):
        axes.add_collection(LineCollection(_pieces(tracks[key], position, line), colors=_hex(key[0]), linewidths=7))
        axes.plot([row.time_s for row in tracks[key]], [line] * len(tracks[key]), "|", color="white", markersize=5)
    _rows(axes, [f"{key[0]} {labels[tracks[key][0].label]}" for key in shown])
    axes.grid(axis="y", visible=False)
    if len(frames):
        last = float(frames["time_s"].max())
        axes.set_xlim(-0.015 * last, last * 1.015 if last else 1.0)
    axes.set_xlabel("seconds" + _left_out(len(tracks), len(shown), "objects"))
    return _png(figure)


def _pieces(track: list[Any], position: dict[int, int], line: int) -> list[list[tuple[float, int]]]:
    """Stretches of a track without a missing frame, as line segments."""
    pieces: list[list[tuple[float, int]]] = []
    before = None
    for row in track:
        here = position[row.frame_index]
        if before is None or here != before + 1:
            pieces.append([(row.time_s, line), (row.time_s, line)])
        pieces[-1][1] = (row.time_s, line)
        before = here
    return pieces


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=_INK, fontsize=9)
    return figure, axes


def _rows(axes: Any, names: list[str]) -> None:
    """Names down the left side; a label may hold ``$``, which is not the start of a formula."""
    axes.set_yticks(range(len(names)), labels=names, parse_math=False)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)


def _left_out(total: int, shown: int, what: str) -> str:
    return f" ({total - shown} more {what} not shown)" if total > shown else ""


def _hex(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour(index))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
