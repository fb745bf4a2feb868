"""The source video file: frames to H.264 and back, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from sam2_assets.sample.paint import Image

_QUALITY = "17"


def write_film(path: Path, frames: Iterable[Image], *, fps: int) -> None:
    """Encode RGB ``(height, width, 3)`` uint8 frames as H.264 (4:2:0) in MP4 at a constant ``fps``."""
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        # One thread: with several, rate control depends on who is first.
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, fps)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": _QUALITY, "preset": "veryfast", "g": "48", "flags": "+bitexact"}
        for number, rgb in enumerate(frames):
            if number == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_film(path: Path) -> Iterator[Image]:
    """Decode every frame in order, blue first (BGR), ``(height, width, 3)`` uint8."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
