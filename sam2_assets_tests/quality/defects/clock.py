"""What the export says about time, and about how sure it is."""

from __future__ import annotations

from sam2_assets.sample.choreography import FPS
from sam2_assets_tests.quality.defects.clean_export import FRAMES, STEP, CleanExport
from sam2_assets_tests.quality.defects.defect import Case, Change, Defect


def _running_at(fps: float) -> Change:
    """Rate, times and duration of a clock that agrees with itself."""

    def change(export: CleanExport) -> None:
        export.document["video"] |= {"source_fps": fps, "duration_sec": round(STEP * FRAMES / fps, 3)}
        for frame in export.frames:
            frame["timestamp_sec"] = round(frame["frame_index"] / fps, 3)

    return change


def _no_clock(export: CleanExport) -> None:
    del export.document["video"]["source_fps"], export.document["video"]["duration_sec"]
    for frame in export.frames:
        del frame["timestamp_sec"]


def _times_at(fps: float, digits: int = 3) -> Change:
    def change(export: CleanExport) -> None:
        for frame in export.frames:
            frame["timestamp_sec"] = round(frame["frame_index"] / fps, digits)

    return change


def _one_time_off(export: CleanExport) -> None:
    export.frames[7]["timestamp_sec"] += 1.0


def _lasting(seconds: float) -> Change:
    return lambda export: export.document["video"].update(duration_sec=seconds)


def _confident(value: float | None) -> Change:
    def change(export: CleanExport) -> None:
        for frame in export.frames:
            for record in frame["objects"]:
                record["confidence"] = value
                if value is None:
                    del record["confidence"]

    return change


DEFECTS = (
    Defect(
        "implausible_frame_rate",
        Case("the video is said to run at 999 frames a second", _running_at(999), frozenset({"frame_rate_differs"})),
        Case("nothing is said about time", _no_clock),
    ),
    Defect(
        "frame_rate_differs",
        Case("a rate is stated that is neither the assumed one nor the demo's", _running_at(25)),
        Case("the demo's constant 30 is stated", _running_at(30), also=frozenset({"frame_rate_differs"})),
    ),
    Defect(
        "timestamps_disagree",
        Case("the times run on another clock than the stated rate", _times_at(30)),
        Case("the times are rounded to hundredths", _times_at(FPS, 2)),
    ),
    Defect(
        "timestamps_disagree",
        Case("the time of a frame is off by a second", _one_time_off),
        Case("the times are rounded to hundredths", _times_at(FPS, 2)),
    ),
    Defect(
        "duration_contradicts",
        Case("the video is said to last twice as long", _lasting(8.0)),
        Case("the duration is rounded", _lasting(4.04)),
    ),
    Defect(
        "constant_confidence",
        Case("all objects have one confidence", _confident(0.95)),
        Case("no confidence is stated", _confident(None)),
    ),
)
