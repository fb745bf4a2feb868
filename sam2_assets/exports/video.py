"""Clean frames from a source video: the demo's own transcoded file, where frame ``i`` is the ``i``-th decoded frame.

Whether a video is that file is decided by evidence: frame count, size, and the pixels that the exporter did not paint
on. On real exports 0.99 of those are within ``TOLERANCE`` levels of the right frame, 0.2 to 0.6 of the next frame and
0.04 of another video. The upload a user started from (other rate, size or length) is refused with the numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.reformatter import Interpolation

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.overlay import painted_region
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.sampling import SampledFrame
from sam2_assets.tables import ImageOrigin

TOLERANCE: Final = 16
"""Largest difference of a channel, in levels of 0..255, at which two pixels agree."""
LEAST_AGREEMENT: Final = 0.9
_LEAST_UNPAINTED: Final = 0.02
_BLACK: Final = 8
# A playlist posing as a video would make FFmpeg open files and addresses that it names.
_OPEN_ONLY: Final = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,h264,hevc",
    "protocol_whitelist": "file",
}
# Without these two flags SIMD paths differ by a level between machines.
_CONVERSION: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True)
class SourceVideo:
    """A video that agrees with an export.

    Args:
        path: the file.
        sha256: of its bytes.
        width: pixels.
        height: pixels.
        fps: frames per second, as the container's average.
        frames: decoded frames.
        agreement: frame index -> share of unpainted pixels that agree, of the sampled frames.
    """

    path: Path
    sha256: str
    width: int
    height: int
    fps: float
    frames: int
    agreement: Mapping[int, float]

    def numbers(self) -> dict[str, object]:
        """What ``import.json`` says about it."""
        return {
            "name": self.path.name,
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "frames": self.frames,
            "agreement": {str(index): share for index, share in self.agreement.items()},
            "agreement_tolerance": TOLERANCE,
            "agreement_needed": LEAST_AGREEMENT,
        }


def match_video(
    path: Path, document: Document, samples: Sequence[SampledFrame], unstated: Order, pictures: ImageOrigin
) -> SourceVideo:
    """Probe a video and hold it against the export.

    Args:
        path: the video.
        document: the export.
        samples: frames to compare; those without a picture, with a black one or painted all over tell nothing.
        unstated: scan order of masks that do not state one.
        pictures: whether the export's pictures are painted.

    Raises:
        ExportError: ``video_missing``, ``video_unreadable``, ``video_mismatch``.
    """
    if not path.is_file():
        raise ExportError("video_missing", "no such file", remedy="Check the path of the video.", file=path.name)
    wanted = {sample.record.frame_index: sample for sample in samples if sample.picture is not None}
    width, height, fps = _probe(path)
    if (width, height) != (document.width, document.height):
        raise _mismatch(
            path, "size", f"{width} x {height}", f"the export was made from {document.width} x {document.height} pixels"
        )
    count = 0
    agreement: dict[int, float] = {}
    for count, pixels in _decoded(path, wanted.keys()):
        if count > document.total_frames:
            break
        if pixels is not None:
            share = _agreement(wanted[count - 1], pixels, unstated, pictures)
            if share is not None:
                agreement[count - 1] = round(share, 4)
    if count != document.total_frames:
        seen = f"more than {document.total_frames}" if count > document.total_frames else str(count)
        raise _mismatch(path, "frames", seen, f"the export was made from {document.total_frames} frames")
    if agreement and min(agreement.values()) < LEAST_AGREEMENT:
        raise _mismatch(
            path,
            "pixels",
            f"{min(agreement.values()):.3f} agree",
            f"of the unpainted pixels {LEAST_AGREEMENT} must lie within {TOLERANCE} levels of the export's pictures; "
            f"by frame: {agreement}",
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceVideo(path, sha256, width, height, fps, count, agreement)


def read_frames(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, Pixels]]:
    """Decode the frames ``wanted`` (0-based numbers of decoded frames) of a video, in order.

    Raises:
        ExportError: ``video_unreadable``.
    """
    left = len(wanted)
    for number, pixels in _decoded(path, wanted):
        if pixels is not None:
            yield number - 1, pixels
            left -= 1
            if left == 0:
                return


def size_and_length(path: Path) -> tuple[int, int, int]:
    """Width and height in pixels and the number of decoded frames, for exports that do not state them.

    Raises:
        ExportError: ``video_missing``, ``video_unreadable``.
    """
    if not path.is_file():
        raise ExportError("video_missing", "no such file", remedy="Check the path of the video.", file=path.name)
    width, height, _ = _probe(path)
    return width, height, sum(1 for _ in _decoded(path, ()))


def _probe(path: Path) -> tuple[int, int, float]:
    try:
        with av.open(str(path), options=_OPEN_ONLY) as container:
            if not container.streams.video:
                raise _unreadable(path, "it has no video stream")
            stream = container.streams.video[0]
            if not stream.average_rate:
                raise _unreadable(path, "it states no frame rate")
            return stream.codec_context.width, stream.codec_context.height, float(stream.average_rate)
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _decoded(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, Pixels | None]]:
    """Frames decoded so far (1, 2, …), with the pixels of the last one if it is wanted."""
    try:
        with av.open(str(path), options=_OPEN_ONLY) as container:
            size: tuple[int, int] | None = None
            for number, frame in enumerate(container.decode(video=0)):
                size = size or (frame.width, frame.height)
                if (frame.width, frame.height) != size:
                    raise _unreadable(path, f"frame {number} is {frame.width} x {frame.height}, the first was {size}")
                pixels = None
                if number in wanted:
                    pixels = np.asarray(
                        frame.reformat(format="bgr24", interpolation=_CONVERSION).to_ndarray(), np.uint8
                    )
                yield number + 1, pixels
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable(path, str(error)) from error


def _agreement(sample: SampledFrame, pixels: Pixels, unstated: Order, pictures: ImageOrigin) -> float | None:
    height, width = pixels.shape[:2]
    if sample.picture is None or int(sample.picture.max()) <= _BLACK:
        return None
    unpainted = np.ones((height, width), bool)
    if pictures is ImageOrigin.EXPORT_OVERLAY:
        unpainted = ~painted_region(sample.record, sample.masks(sample.orders(unstated), width, height))
    if unpainted.mean() < _LEAST_UNPAINTED:
        return None
    difference = np.abs(sample.picture[unpainted].astype(np.int16) - pixels[unpainted]).max(axis=1)
    return float((difference <= TOLERANCE).mean())


def _unreadable(path: Path, why: str) -> ExportError:
    return ExportError(
        "video_unreadable",
        f"cannot be decoded as a video ({why})",
        remedy="Give the demo's transcoded video (MP4, H.264), or leave the video out.",
        file=path.name,
    )


def _mismatch(path: Path, field: str, value: str, problem: str) -> ExportError:
    return ExportError(
        "video_mismatch",
        problem,
        remedy="Give the file the demo transcoded for this session (same size, frames and pixels; the original upload "
        "is not supported), or leave the video out.",
        file=path.name,
        field=field,
        value=value,
    )
