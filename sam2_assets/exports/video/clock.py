"""Which frame of an uploaded video became frame ``i`` of the demo's transcoded one: FFmpeg's own rounding, exactly.

The demo runs ``ffmpeg -ss SEEK -t 10 -i UPLOAD -vf fps=24,scale=W:H`` with SEEK written to two decimals. FFmpeg
moves every time stamp back by the seek and the file's start, drops the frames that are now before zero (``trim``),
and the ``fps`` filter rounds what is left to the nearest frame of the new rate (halves away from zero). Output ``n``
repeats the last input frame whose rounded time is ``n`` or earlier; output begins at the first frame's rounded time,
which the MP4 writer keeps as a gap and not as a frame. Source: ``libavfilter/vf_fps.c`` (``read_frame``,
``write_frame``), ``fftools`` (input options). Checked against FFmpeg 5.1 and the linked library.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

STEPS: Final = 100
"""Seeks a second: the demo writes its seek with two decimals."""
_MICRO: Final = 1_000_000


@dataclass(frozen=True)
class Timeline:
    """Time stamps of a video's decoded frames.

    Args:
        ticks: strictly increasing, one a frame, in units of ``time_base`` seconds.
        time_base: seconds.
        start_us: where the file begins, microseconds.
        rate: frames per second of the transcoded video.
    """

    ticks: Numbers
    time_base: Fraction
    start_us: int
    rate: Fraction

    def resampled(self, seek: int, indices: Numbers) -> tuple[Numbers, int] | None:
        """Source frame numbers of transcoded frames, and how many transcoded frames there can be at most.

        Numbers past the last frame repeat it, as the filter would: hold ``indices`` against the count.

        Args:
            seek: hundredths of a second.
            indices: 0-based frame numbers of the transcoded video, ``(n,)``.

        Returns:
            None if the video ends before the seek.
        """
        ticks = self.ticks + self._offset(seek)
        first = int(np.searchsorted(ticks, 0))
        if first == len(ticks):
            return None
        begin = self._rounded(int(ticks[first]))
        # output n shows the last frame with time * rate < n + 1/2; in whole ticks:
        unit = self.time_base * self.rate
        over, under = 2 * unit.numerator, unit.denominator
        limits = np.array([((2 * (begin + int(i)) + 1) * under - 1) // over for i in indices], np.int64)
        numbers = np.searchsorted(ticks, limits, side="right") - 1
        last = int(ticks[-1])
        # newer FFmpeg adds the last frame's duration, older ones end with its own time
        step = last - int(ticks[-2]) if len(ticks) > 1 else 0
        count = max(self._rounded(last) - begin + 1, self._rounded(last + step) - begin)
        return numbers.astype(np.int64), count

    def last_seek(self, frames: int) -> int:
        """The latest seek, hundredths of a second, that can leave ``frames`` transcoded frames (or one more)."""
        seconds = int(self.ticks[-1]) * self.time_base - Fraction(self.start_us, _MICRO) - (frames - 2) / self.rate
        return int(seconds * STEPS)

    def seconds(self, number: int) -> float:
        """Time of a source frame, seconds from the file's start."""
        return round(float(int(self.ticks[number]) * self.time_base - Fraction(self.start_us, _MICRO)), 6)

    def _offset(self, seek: int) -> int:
        return _nearest(Fraction(-(seek * (_MICRO // STEPS) + self.start_us), _MICRO) / self.time_base)

    def _rounded(self, ticks: int) -> int:
        return _nearest(ticks * self.time_base * self.rate)


def _nearest(value: Fraction) -> int:
    """To the nearest whole number, halves away from zero."""
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return size if value >= 0 else -size
