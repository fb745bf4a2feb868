"""A video that agreed with an export: what is known of it, and its frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.video.clock import STEPS
from sam2_assets.exports.video.comparison import LEAST_AGREEMENT, SMOOTH_TOLERANCE, TOLERANCE
from sam2_assets.exports.video.search import Located
from sam2_assets.exports.video.stream import Stream, read_numbers

Kind = Literal["transcoded", "upload"]


@dataclass(frozen=True)
class SourceVideo:
    """A video that agrees with an export.

    Args:
        stream: the file.
        kind: the demo's own file, or the upload it was transcoded from.
        sha256: of its bytes.
        width: pixels, upright.
        height: pixels, upright.
        fps: frames per second of the export's frames: the file's own, or those of the transcoding.
        frames: frames decoded to find out; all of the file's if ``complete``.
        complete: whether the whole file was read.
        agreement: frame index -> share of unpainted pixels that agree, of the sampled frames.
        numbers: annotated frame index -> number of the source frame.
        times: the same -> its time, seconds from the file's start.
        turned: whether the file's rotation was applied.
        located: how the seek was found; None for the demo's own file, or where it was stated and nothing was left to
            compare.
        seek_s: where the cut begins; None for the demo's own file.
        ticks: time stamp of every decoded frame.
        timed: whether the file states them.
        exchanged: whether the pictures agree with it only once their red and blue are exchanged.
    """

    stream: Stream
    kind: Kind
    sha256: str
    width: int
    height: int
    fps: float
    frames: int
    complete: bool
    agreement: Mapping[int, float]
    numbers: Mapping[int, int]
    times: Mapping[int, float]
    turned: bool
    located: Located | None
    seek_s: float | None
    ticks: np.ndarray = field(repr=False)
    timed: bool
    exchanged: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return self.stream.path

    def evidence(self) -> dict[str, object]:
        """What ``import.json`` says about it."""
        upload = self.kind == "upload"
        record: dict[str, object] = {
            "name": self.path.name,
            "sha256": self.sha256,
            "kind": self.kind,
            "width": self.width,
            "height": self.height,
            "fps": float(self.stream.rate),
            "frames": self.frames,
            "read_whole": self.complete,
            "agreement": {str(index): share for index, share in self.agreement.items()},
            "agreement_measure": "smoothed brightness" if upload else "every channel of every pixel",
            "agreement_tolerance": SMOOTH_TOLERANCE if upload else TOLERANCE,
            "agreement_needed": LEAST_AGREEMENT,
        }
        if self.exchanged:
            record["pictures"] = "red and blue exchanged"
        if upload:
            record["clock"] = {"fps": self.fps, "seek_s": self.seek_s, "rounding": "FFmpeg fps filter, nearest"}
            record["mapping"] = {
                str(index): {"source_frame": number, "source_time_s": self.times[index]}
                for index, number in self.numbers.items()
            }
        if self.located is not None:
            best, other = self.located, self.located.runner_up
            record["seek_search"] = {
                "seeks_of_these_frames_s": [seek / STEPS for seek in best.candidate.seeks],
                "pictures_compared": list(best.compared),
                "distance": best.distance,
                "next_best": None if other is None else {"distance": other[0], "chosen_there": other[1]},
                "other_seeks_that_look_the_same_s": list(best.alike),
            }
        return record


def read_frames(source: SourceVideo, width: int, height: int) -> Iterator[tuple[int, Pixels]]:
    """Frame index and pixels ``(height, width, 3)`` of every annotated frame, in order.

    Raises:
        ExportError: ``video_unreadable``.
    """
    wanted: dict[int, list[int]] = {}
    for index, number in source.numbers.items():
        wanted.setdefault(number, []).append(index)
    for each in read_numbers(source.stream, wanted, source.ticks, timed=source.timed):
        pixels = each.pixels(width, height, turned=source.turned)
        for index in wanted[each.number]:
            yield index, pixels
