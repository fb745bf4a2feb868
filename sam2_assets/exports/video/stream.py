"""Opening a video file and decoding its frames within bounds, in presentation order and upright."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from sam2_assets.errors import ExportError
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.settings import ImportSettings

# A playlist posing as a video would make FFmpeg open files and addresses that it names.
_OPEN_ONLY: Final = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,h264,hevc",
    "protocol_whitelist": "file",
}
# Without these two flags SIMD paths differ by a level between machines.
_EXACT: Final = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_LARGEST_TICK: Final = 2**40
_REMEDY: Final = (
    "Give the demo's transcoded video (MP4, H.264) or the video that was uploaded to it, or leave the video out."
)


@dataclass(frozen=True)
class Stream:
    """The first video stream of a file, as its header states it.

    Args:
        path: the file.
        width: pixels, as coded (before rotation).
        height: pixels, as coded.
        rate: average frames per second.
        time_base: seconds a tick of the time stamps.
        start_us: microseconds at which the file begins; FFmpeg counts seeks from here.
        max_frames: most frames to decode.
        max_pixels: most pixels a frame may have.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    start_us: int
    max_frames: int
    max_pixels: int

    def size(self, rotation: int) -> tuple[int, int]:
        """Width and height as shown, turned by ``rotation`` quarter turns."""
        return (self.height, self.width) if rotation % 2 else (self.width, self.height)


@dataclass(frozen=True)
class Decoded:
    """A decoded frame.

    Args:
        number: how many frames come before it.
        tick: its time stamp, in the stream's time base.
        timed: whether the file states the time stamp; else it follows from the number and the average rate.
        rotation: quarter turns, counter-clockwise, that make it upright (the file's display matrix).
        frame: its pixels as coded.
    """

    number: int
    tick: int
    timed: bool
    rotation: int
    frame: VideoFrame

    def pixels(
        self, width: int, height: int, *, turned: bool = True, interpolation: Interpolation = Interpolation.BICUBIC
    ) -> Pixels:
        """The frame scaled to ``width`` x ``height``, ``(height, width, 3)``, upright unless ``turned`` is false."""
        turns = self.rotation if turned else 0
        across, down = (height, width) if turns % 2 else (width, height)
        scaled = self.frame.reformat(across, down, "bgr24", interpolation=interpolation | _EXACT).to_ndarray()
        return np.ascontiguousarray(np.rot90(scaled, turns), np.uint8)


def probe(path: Path, settings: ImportSettings) -> Stream:
    """Read the header.

    Raises:
        ExportError: ``video_missing``, ``video_unreadable``, ``video_too_large``.
    """
    if not path.is_file():
        raise ExportError("video_missing", "no such file", remedy="Check the path of the video.", file=path.name)
    try:
        with av.open(str(path), options=_OPEN_ONLY) as container:
            if not container.streams.video:
                raise unreadable(path, "it has no video stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:  # PyAV's types do not know that there may be no decoder
                raise unreadable(path, "nothing here can decode it")
            rate = stream.average_rate or stream.guessed_rate
            if not rate or not stream.time_base:
                raise unreadable(path, "it states no frame rate")
            found = Stream(
                path=path,
                width=stream.codec_context.width,
                height=stream.codec_context.height,
                rate=Fraction(rate),
                time_base=Fraction(stream.time_base),
                start_us=container.start_time or 0,
                max_frames=settings.max_video_frames,
                max_pixels=settings.max_video_pixels,
            )
    except (av.FFmpegError, ValueError) as error:
        raise unreadable(path, str(error)) from error
    if found.width * found.height > found.max_pixels:
        raise ExportError(
            "video_too_large",
            f"a frame may have {found.max_pixels} pixels",
            remedy="Make the video smaller, or raise importing.max_video_pixels.",
            file=path.name,
            field="size",
            value=f"{found.width} x {found.height}",
        )
    return found


def decode(stream: Stream, *, start: tuple[int, int] | None = None) -> Iterator[Decoded]:
    """Decode frame by frame.

    Args:
        stream: the video.
        start: number and tick of a frame to begin with; what lies between it and the key frame before it is decoded
            and dropped. Where the file does not let itself be entered there, decoding begins at its first frame.

    Raises:
        ExportError: ``video_unreadable``; ``video_too_large`` beyond the bound on frames.
    """
    if start is not None:
        entered = _entered(stream, *start)
        if entered is not None:
            yield from entered
            return
    yield from _decode(stream, None)


def size_and_length(path: Path, settings: ImportSettings) -> tuple[int, int, int]:
    """Width and height in pixels, as coded, and the number of frames, for exports that do not state them.

    Raises:
        ExportError: ``video_missing``, ``video_unreadable``, ``video_too_large``.
    """
    stream = probe(path, settings)
    return stream.width, stream.height, sum(1 for _ in decode(stream))


def read_numbers(stream: Stream, wanted: Collection[int], ticks: np.ndarray, *, timed: bool) -> Iterator[Decoded]:
    """Decode the frames of the numbers ``wanted``, in order.

    Args:
        stream: the video.
        wanted: numbers of frames.
        ticks: time stamps of all frames up to the last one wanted.
        timed: whether the file states them, so that it can be entered in the middle.
    """
    left = sorted(wanted)
    if not left:
        return
    start = (left[0], int(ticks[left[0]])) if timed and left[0] else None
    missing = set(left)
    for each in decode(stream, start=start):
        if each.number in missing:
            missing.remove(each.number)
            yield each
            if not missing:
                return


def _entered(stream: Stream, number: int, tick: int) -> Iterator[Decoded] | None:
    """Frames from ``number`` on, or None if seeking does not lead to a frame of exactly that time."""
    frames = _decode(stream, tick)
    for each in frames:
        if each.tick == tick and each.timed:
            return _renumbered(each, frames, number)
        if each.tick > tick:
            break
    return None


def _renumbered(first: Decoded, rest: Iterator[Decoded], number: int) -> Iterator[Decoded]:
    yield Decoded(number, first.tick, first.timed, first.rotation, first.frame)
    for offset, each in enumerate(rest, 1):
        yield Decoded(number + offset, each.tick, each.timed, each.rotation, each.frame)


def _decode(stream: Stream, seek: int | None) -> Iterator[Decoded]:
    try:
        with av.open(str(stream.path), options=_OPEN_ONLY) as container:
            video = container.streams.video[0]
            video.codec_context.options = {"max_pixels": str(stream.max_pixels)}
            video.thread_type = "AUTO"
            if seek is not None:
                try:
                    container.seek(seek, stream=video, backward=True)
                except av.FFmpegError:
                    return
            for number, frame in enumerate(container.decode(video)):
                if number >= stream.max_frames:
                    raise _too_long(stream)
                if (frame.width, frame.height) != (stream.width, stream.height):
                    raise unreadable(
                        stream.path,
                        f"frame {number} is {frame.width} x {frame.height}, "
                        f"the header says {stream.width} x {stream.height}",
                    )
                tick = frame.pts
                timed = tick is not None and abs(tick) < _LARGEST_TICK
                if tick is None or not timed:
                    tick = round(number / stream.rate / stream.time_base)
                yield Decoded(number, tick, timed, round(frame.rotation / 90) % 4, frame)
    except (av.FFmpegError, ValueError) as error:
        raise unreadable(stream.path, str(error)) from error


def unreadable(path: Path, why: str) -> ExportError:
    """The error of a file that is no video, or a damaged one."""
    return ExportError("video_unreadable", f"cannot be decoded as a video ({why})", remedy=_REMEDY, file=path.name)


def _too_long(stream: Stream) -> ExportError:
    return ExportError(
        "video_too_large",
        f"{stream.max_frames} frames may be read",
        remedy="Cut the video to the part that was annotated, or raise importing.max_video_frames.",
        file=stream.path.name,
        field="frames",
        value=f"more than {stream.max_frames}",
    )
