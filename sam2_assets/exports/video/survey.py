"""One pass over a video: the time and a thumbnail of every frame, as far as it was needed."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation

from sam2_assets.exports.video.clock import Timeline
from sam2_assets.exports.video.comparison import THUMBNAIL, brightness_thumbnail
from sam2_assets.exports.video.stream import Decoded, Stream, decode, unreadable

_MICRO: Final = 1_000_000


class Survey:
    """What is known of a video's frames; 1.3 kB a frame.

    Args:
        stream: the video.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.complete = False
        self.timed = True
        self.rotation = 0
        self._frames = decode(stream)
        self._ticks: list[int] = []
        self._thumbnails: list[npt.NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return len(self._ticks)

    def extend(self, *, frames: int, seconds: float) -> None:
        """Decode until more than ``frames`` frames and ``seconds`` are known, or the video ends.

        Raises:
            ExportError: ``video_unreadable``, ``video_too_large``.
        """
        if self.complete:
            return
        for each in self._frames:
            self._add(each)
            if len(self) > frames and self._seconds(each.tick) > seconds:
                return
        self.complete = True
        if not self._ticks:
            raise unreadable(self.stream.path, "it has no frames")

    def thumbnails(self) -> npt.NDArray[np.uint8]:
        """Brightness of every frame so far, ``(n, 27, 48)``."""
        return np.stack(self._thumbnails)

    def ticks(self) -> npt.NDArray[np.int64]:
        """Time stamp of every frame so far."""
        return np.array(self._ticks, np.int64)

    def timeline(self, rate: Fraction) -> Timeline | None:
        """The frames' times, to be resampled at ``rate``; None if they do not increase."""
        ticks = self.ticks()
        if len(ticks) > 1 and int(np.diff(ticks).min()) <= 0:
            return None
        return Timeline(ticks, self.stream.time_base, self.stream.start_us, rate)

    def _add(self, each: Decoded) -> None:
        if not self._ticks:
            self.rotation = each.rotation
        self.timed &= each.timed
        self._ticks.append(each.tick)
        pixels = each.pixels(*THUMBNAIL, interpolation=Interpolation.AREA)
        self._thumbnails.append(brightness_thumbnail(pixels))

    def _seconds(self, tick: int) -> float:
        return float(tick * self.stream.time_base - Fraction(self.stream.start_us, _MICRO))
