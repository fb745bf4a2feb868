"""Checks of time: is the frame rate believable, and does what the export states about time agree with itself?"""

from __future__ import annotations

from collections.abc import Iterator

from sam2_assets.quality.check import Check
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Severity

_GIVE_VIDEO = "Put the source video beside the export, or set importing.fps_assumed to the video's true rate."
_DEMO_FPS = 30.0
"""The demo's exporter states it whatever the video has."""


def _implausible(context: Context) -> Iterator[Finding]:
    low, high = context.settings.min_fps, context.settings.max_fps
    for what, fps in (("in use", context.import_record["video"].get("fps")), ("stated", context.stated.get("fps"))):
        if fps is not None and not low <= fps <= high:
            yield Finding(
                f"{fps:g} frames a second ({what}) is outside the {low:g} to {high:g} that videos have",
                value=float(fps),
            )


def _timestamps(context: Context) -> Iterator[Finding]:
    timestamps = context.stated.get("timestamps") or {}
    for frame_index, stated, expected in timestamps.get("off", []):
        if abs(stated - expected) > context.settings.max_timestamp_error_s:
            yield Finding(
                f"frame {frame_index} is stated at {stated:g} s, at {timestamps['rate']:g} frames a second it lies at "
                f"{expected:g} s",
                frame_index,
                value=abs(stated - expected),
            )


def _duration(context: Context) -> Iterator[Finding]:
    duration, fps = context.stated.get("duration_s"), context.stated.get("fps")
    total = context.import_record["video"].get("total_frames")
    if duration is None or not fps or total is None:
        return
    off = abs(duration - total / fps)
    if off > context.settings.max_duration_error_s:
        yield Finding(
            f"{total} frames at the stated {fps:g} a second last {total / fps:.2f} s, the export says {duration:g} s",
            value=off,
        )


def _other_clock(context: Context) -> Iterator[Finding]:
    stated, used = context.stated.get("fps"), context.import_record["video"].get("fps")
    if stated and used and abs(stated - used) > 0.01 * used:
        yield Finding(
            f"the export states {stated:g} frames a second, {used:g} are used"
            + (" (the demo always states 30)" if stated == _DEMO_FPS else ""),
            value=float(stated),
            tolerated=stated == _DEMO_FPS,
        )


CHECKS = (
    Check(
        id="implausible_frame_rate",
        severity=Severity.WARNING,
        gates=None,
        meaning="A frame rate that no video has makes all times wrong, and with them the guards between the splits.",
        remedy=_GIVE_VIDEO,
        measure=_implausible,
    ),
    Check(
        id="frame_rate_differs",
        severity=Severity.WARNING,
        gates=None,
        meaning="The export states another frame rate than the one in use; only the demo's constant 30 is known to be "
        "wrong.",
        remedy=_GIVE_VIDEO,
        measure=_other_clock,
    ),
    Check(
        id="timestamps_disagree",
        severity=Severity.WARNING,
        gates=None,
        meaning="Stated times that do not follow from frame number and stated rate: frames may be numbered wrongly.",
        remedy="Look whether the frames show what they should; if they do not, export the video again.",
        measure=_timestamps,
        threshold="max_timestamp_error_s",
    ),
    Check(
        id="duration_contradicts",
        severity=Severity.WARNING,
        gates=None,
        meaning="A stated duration that does not follow from number of frames and stated rate: the video may be cut.",
        remedy=_GIVE_VIDEO,
        measure=_duration,
        threshold="max_duration_error_s",
    ),
)
