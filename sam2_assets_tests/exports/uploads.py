"""Videos as people upload them, and the demo's transcoding of them with FFmpeg's own filters as the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

TICK = Fraction(1, 90_000)


def even_times(count: int, rate: Fraction | int, start: int = 0) -> list[int]:
    """Time stamps of a constant frame rate, in ``TICK``."""
    return [start + round(Fraction(n) / rate / TICK) for n in range(count)]


def write_upload(
    path: Path,
    frames: Sequence[np.ndarray],
    ticks: Sequence[int],
    *,
    codec: str = "libx264",
    rotation: int = 0,
    crf: int = 18,
) -> Path:
    """Frames (blue, green, red, as coded) at time stamps in ``TICK``; shown turned by ``rotation`` degrees."""
    with av.open(str(path), "w") as container:
        fast = {"libx264": {"crf": str(crf), "preset": "veryfast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}
        stream = container.add_stream(codec, rate=30, options=fast[codec])
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = TICK
        stream.time_base = TICK
        if rotation:
            stream.set_display_rotation(rotation)
        for pixels, tick in zip(frames, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            frame.pts, frame.time_base = tick, TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _filtered(path: Path, seek: int, rate: int, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """``ffmpeg -ss SEEK -t 10 -i PATH -vf fps=RATE,scale=W:H``, as FFmpeg builds the graph from these options."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        base = Fraction(video.time_base)
        exact = Fraction(-(seek * 10_000 + (container.start_time or 0)), 1_000_000) / base
        offset = round(exact) if exact.denominator != 2 else int(exact - Fraction(1, 2))
        graph = Graph()
        nodes = [graph.add_buffer(template=video)]
        for number, frame in enumerate(container.decode(video)):
            if not number:
                upright: dict[int, list[tuple[str, str | None]]] = {
                    0: [],
                    90: [("transpose", "cclock")],
                    -90: [("transpose", "clock")],
                    -180: [("hflip", None), ("vflip", None)],
                }
                scaled = [("trim", "start=0:duration=10"), ("fps", str(rate)), ("scale", f"{size[0]}:{size[1]}")]
                for name, args in [*upright[frame.rotation], *scaled, ("format", "yuv420p"), ("buffersink", None)]:
                    nodes.append(graph.add(name, args))
                    nodes[-2].link_to(nodes[-1])
                graph.configure()
            assert frame.pts is not None
            frame.pts += offset
            nodes[0].push(frame)
            yield from _pulled(nodes[-1])
        nodes[0].push(None)
        yield from _pulled(nodes[-1])


def _pulled(sink: av.filter.context.FilterContext) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = sink.pull()
            assert isinstance(frame, av.VideoFrame)
            yield frame
        except (av.BlockingIOError, av.EOFError):
            return


def transcode(path: Path, out: Path, *, seek: int = 0, rate: int = 24, size: tuple[int, int]) -> Path:
    """The demo's transcoding: H.264, crf 23. ``seek`` in hundredths of a second."""
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in _filtered(path, seek, rate, size):
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames, blue, green, red."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
