"""When each object is seen, and where in time something was found: what the timelines of page and picture draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Findings, Severity
from sam2_assets.quality.rows import grouped, rows

MOST_LANES = 40
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """Neighbouring annotated frames about which checks of one severity complain.

    Args:
        start: seconds.
        end: seconds.
        severity: of the findings.
        findings: how many.
        checks: their ids, in alphabetical order.
        frames: index of the first and of the last frame.
    """

    start: float
    end: float
    severity: Severity
    findings: int
    checks: tuple[str, ...]
    frames: tuple[int, int]


@dataclass(frozen=True)
class Lane:
    """One line of the timeline.

    Args:
        object_id: of the track; None for what is about whole frames.
        label: of the track where it is first seen; empty for whole frames.
        stretches: ``(start, end)`` in seconds of each run of consecutive annotated frames that show the object.
        frames: number of these frames.
        marks: what was found, in order of time.
    """

    object_id: int | None
    label: str
    stretches: tuple[Stretch, ...]
    frames: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Timeline:
    """All lanes of a video.

    Args:
        lanes: whole frames first if anything was found about them, then objects by id.
        start: seconds at the left edge; half a sampling step before the first annotated frame.
        end: seconds at the right edge; as much after the last one.
        left_out: objects that are not shown because there are too many.
    """

    lanes: tuple[Lane, ...]
    start: float
    end: float
    left_out: int

    def share(self, time_s: float) -> float:
        """Where a moment lies between the edges, 0..1."""
        return (time_s - self.start) / (self.end - self.start)


def timeline(context: Context, findings: Findings, most: int = MOST_LANES) -> Timeline:
    """The timeline of a video whose tables have sound columns and at least one frame.

    Of more than ``most`` objects, those with findings come first, then those seen in most frames.

    Raises:
        ValueError: the video has no frame.
    """
    frames = rows(context.frames)
    if not frames:
        raise ValueError("a timeline needs a frame")
    times = [frame.time_s for frame in frames]
    steps = np.diff(times)
    half = float(np.median(steps)) / 2 if len(steps) and float(np.median(steps)) > 0 else 0.5
    position = {frame.frame_index: i for i, frame in enumerate(frames)}
    complaints = _complaints(findings, position)
    tracks = {key[0]: track for key, track in grouped(context.present_objects, "object_id").items()}
    # An object that is never seen (all its masks are empty) has a lane too, if something was found about it.
    names = {row.object_id: row.label for row in reversed(rows(context.objects))}
    known: list[int] = sorted({*tracks, *(key for key in complaints if key is not None and key in names)})
    chosen = sorted(sorted(known, key=lambda i: (i not in complaints, -len(tracks.get(i, ())), i))[:most])

    def span(first: int, last: int) -> Stretch:
        return times[first] - half, times[last] + half

    def lane(object_id: int | None) -> Lane:
        track = tracks.get(object_id, []) if object_id is not None else []
        seen = [position[row.frame_index] for row in track]
        return Lane(
            object_id,
            names[object_id] if object_id is not None else "",
            tuple(span(first, last) for first, last in _runs(seen)),
            len(seen),
            tuple(_marks(complaints.get(object_id, ()), span, list(position))),
        )

    lanes = [lane(object_id) for object_id in chosen]
    if None in complaints:
        lanes.insert(0, lane(None))
    return Timeline(tuple(lanes), times[0] - half, times[-1] + half, len(known) - len(chosen))


def _complaints(findings: Findings, position: dict[int, int]) -> dict[int | None, list[tuple[int, Severity, str]]]:
    """By object (None: the whole frame), ``(position of the frame, severity, check)`` of what failed."""
    shown = {str(Severity.ERROR), str(Severity.WARNING)}
    table = findings.table[findings.table["severity"].isin(shown)].dropna(subset="frame_index")
    by_object: dict[int | None, list[tuple[int, Severity, str]]] = {}
    for row in rows(table[["check", "severity", "frame_index", "object_id"]]):
        if int(row.frame_index) in position:
            key = None if pd.isna(row.object_id) else int(row.object_id)
            by_object.setdefault(key, []).append((position[int(row.frame_index)], Severity(row.severity), row.check))
    return by_object


def _marks(
    complaints: Sequence[tuple[int, Severity, str]], span: Callable[[int, int], Stretch], indices: Sequence[int]
) -> list[Mark]:
    marks = []
    for severity in (Severity.ERROR, Severity.WARNING):
        checks: dict[int, list[str]] = {}
        for at, found, check in complaints:
            if found is severity:
                checks.setdefault(at, []).append(check)
        for first, last in _runs(sorted(checks)):
            inside = [check for at in range(first, last + 1) for check in checks[at]]
            frames = (indices[first], indices[last])
            marks.append(Mark(*span(first, last), severity, len(inside), tuple(sorted(set(inside))), frames))
    return sorted(marks, key=lambda mark: (mark.start, mark.severity))


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of every run of consecutive numbers in an ascending sequence."""
    runs: list[tuple[int, int]] = []
    for at in positions:
        if runs and at <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs
