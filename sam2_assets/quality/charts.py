"""The report's charts, as PNG bytes: classes, counts and areas over time, and when each object is seen."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam2_assets.quality.findings import Severity
from sam2_assets.quality.lettering import colour
from sam2_assets.quality.rows import grouped
from sam2_assets.quality.timeline import Timeline

_DPI = 150
_WIDE, _NARROW = 10.5, 5.6
"""Inches: charts that fill the page, and those that stand two abreast."""
_MOST_EVEN = 15
"""Areas that differ by more than this factor are drawn on a logarithmic scale."""
_INK = "#333a45"
_GRID = "#e4e7ec"
_MOST_ROWS = 40
_MOST_LINES = 10
"""More lines than colours cannot be told apart; the axis says how many are not shown."""
_MARKS = {Severity.ERROR: ("X", "#b42318"), Severity.WARNING: ("v", "#f0a500")}


def class_histogram(objects: pd.DataFrame, labels: dict[str, str]) -> bytes:
    """Annotations per class, most frequent first; ``objects`` are those that are present."""
    counts = objects["label"].value_counts(sort=False)
    ordered = sorted(((int(count), str(label)) for label, count in counts.items()), key=lambda c: (-c[0], c[1]))
    shown = ordered[:_MOST_ROWS]
    figure, axes = _axes(_WIDE, 0.7 + 0.32 * max(len(shown), 2))
    bars = axes.barh(range(len(shown)), [count for count, _ in shown], height=0.68, color=_hex(0))
    axes.bar_label(bars, padding=4, color=_INK, fontsize=10)
    _rows(axes, [labels[label] for _, label in shown])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("annotations" + _left_out(len(ordered), len(shown), "classes"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.08)
    return _png(figure)


def objects_over_time(frames: pd.DataFrame, objects: pd.DataFrame) -> bytes:
    """Number of present objects in every annotated frame, over seconds."""
    counts = objects.groupby("frame_index").size().reindex(frames["frame_index"], fill_value=0)
    figure, axes = _axes(_NARROW, 3.4)
    axes.step(frames["time_s"], counts.to_numpy(), where="mid", color=_hex(0), linewidth=1.6)
    axes.plot(frames["time_s"], counts.to_numpy(), ".", color=_hex(0), markersize=4)
    axes.set_ylim(0, max(int(counts.max()) if len(counts) else 0, 1) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("seconds")
    axes.set_ylabel("objects in the frame")
    return _png(figure)


def area_over_time(frames: pd.DataFrame, objects: pd.DataFrame, labels: dict[str, str]) -> bytes:
    """Share of the frame that each object covers, in per cent, over seconds; colours as in ``track_timeline``.

    A line breaks where an annotated frame does not show the object.
    """
    position = {frame: i for i, frame in enumerate(frames["frame_index"].tolist())}
    tracks = grouped(objects, "object_id")
    largest = sorted(tracks, key=lambda key: (-len(tracks[key]), key))[:_MOST_LINES]
    figure, axes = _axes(_NARROW, 3.4)
    shares: list[float] = []
    for (object_id,) in sorted(largest):
        track = tracks[(object_id,)]
        line = [float("nan")] * len(position)
        for row in track:
            line[position[row.frame_index]] = 100 * row.mask_area_nearest / (row.frame_w * row.frame_h)
        name = f"{object_id} {labels[track[0].label]}"
        axes.plot(
            frames["time_s"], line, color=_hex(object_id), linewidth=1.4, marker=".", markersize=4, label=_plain(name)
        )
        shares += [share for share in line if share == share]
    if shares and max(shares) > _MOST_EVEN * min(shares):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.15 * max(shares, default=1.0))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_xlabel("seconds" + _left_out(len(tracks), len(largest), "objects"))
    axes.set_ylabel("of the frame")
    if largest:
        style = {"fontsize": 9, "frameon": False, "labelcolor": _INK}
        figure.legend(loc="outside upper center", ncols=min(4, len(largest)), **style)
    return _png(figure)


def picture_measures(measures: pd.DataFrame) -> bytes:
    """Brightness and sharpness (1 minus blur) of each picture, 0 to 1, over seconds.

    Args:
        measures: ``time_s``, ``brightness`` and ``blur`` of the pictures that could be read, by time.
    """
    figure, axes = _axes(_NARROW, 3.4)
    style = {"linewidth": 1.4, "markersize": 4}
    axes.plot(measures["time_s"], measures["brightness"], marker=".", color=_hex(1), label="brightness", **style)
    axes.plot(measures["time_s"], 1 - measures["blur"], marker="x", color=_hex(0), label="sharpness", **style)
    axes.set_ylim(0, 1)
    axes.set_xlabel("seconds")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9, labelcolor=_INK)
    return _png(figure)


def track_timeline(shown: Timeline, labels: dict[str, str]) -> bytes:
    """One line an object: where it is present in consecutive annotated frames, over seconds, and what was found."""
    figure, axes = _axes(_WIDE, 0.9 + 0.3 * max(len(shown.lanes), 2))
    found: dict[Severity, Any] = {}
    for line, lane in enumerate(shown.lanes):
        if lane.object_id is not None:
            stretches = [(start, end - start) for start, end in lane.stretches]
            axes.broken_barh(stretches, (line - 0.26, 0.4), color=_hex(lane.object_id))
        for severity, (shape, fill) in _MARKS.items():
            marks = [mark for mark in lane.marks if mark.severity is severity]
            if marks:
                axes.broken_barh([(m.start, m.end - m.start) for m in marks], (line + 0.2, 0.12), color=fill)
                middles = [(mark.start + mark.end) / 2 for mark in marks]
                style = {"color": fill, "markeredgecolor": "white", "markeredgewidth": 0.8, "markersize": 8}
                (found[severity],) = axes.plot(middles, [line + 0.26] * len(middles), shape, linestyle="none", **style)
    _rows(axes, ["whole frame" if i.object_id is None else f"{i.object_id} {labels[i.label]}" for i in shown.lanes])
    axes.grid(axis="y", visible=False)
    axes.set_xlim(shown.start, shown.end)
    axes.set_xlabel("seconds" + (f" ({shown.left_out} more objects not shown)" if shown.left_out else ""))
    if found:
        names = [f"{severity} found" for severity in found]
        figure.legend(
            list(found.values()), names, loc="outside upper right", ncols=2, frameon=False, fontsize=9, labelcolor=_INK
        )
    return _png(figure)


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=10, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=_INK, fontsize=10)
    return figure, axes


def _rows(axes: Any, names: list[str]) -> None:
    """Names down the left side; a label may hold ``$``, which is not the start of a formula."""
    axes.set_yticks(range(len(names)), labels=names, parse_math=False)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)


def _plain(name: str) -> str:
    """A name in a legend, where ``$`` starts a formula and a leading underscore hides the line."""
    return " " + name.replace("$", r"\$")


def _left_out(total: int, shown: int, what: str) -> str:
    return f" ({total - shown} more {what} not shown)" if total > shown else ""


def _hex(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour(index))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
