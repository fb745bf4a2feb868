"""One streaming pass over a video's pictures: each is read and decoded once, on all cores, a few at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Final

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from sam2_assets.pixels.measures import UNREADABLE, Measures, Thumbnail, change_between, measure_picture
from sam2_assets.threads import cores

PICTURES_FILE: Final = "pictures.parquet"
Progress = Callable[[int], None]
"""Called with the number of pictures measured so far, after each."""


class Pictures(pa.DataFrameModel):
    """Schema of ``pictures.parquet``: one row a picture, sorted by ``frame_index``; see ``measures.Measures``."""

    frame_index: Series[int] = pa.Field(ge=0, unique=True)
    problem: Series[str] = pa.Field(isin=["", UNREADABLE], description="the other columns say nothing if not empty")
    width: Series[int] = pa.Field(ge=0, description="of the file, pixels")
    height: Series[int] = pa.Field(ge=0, description="of the file, pixels")
    brightness: Series[float] = pa.Field(ge=0, le=1, description="mean luma")
    contrast: Series[float] = pa.Field(ge=0, le=1, description="standard deviation of luma")
    level_p01: Series[float] = pa.Field(ge=0, le=1, description="luma's 1st percentile")
    level_p99: Series[float] = pa.Field(ge=0, le=1, description="luma's 99th percentile")
    shadow_share: Series[float] = pa.Field(ge=0, le=1, description="share of pixels with luma up to 5/255")
    highlight_share: Series[float] = pa.Field(ge=0, le=1, description="share of pixels with luma from 250/255")
    blur: Series[float] = pa.Field(ge=0, le=1, description="0 sharp, 1 blurred, after Crete et al.")
    wrapped_share: Series[float] = pa.Field(ge=0, le=1, description="share of leaps in single colour channels")
    phash: Series[str] = pa.Field(str_matches="^[0-9a-f]{16}$", description="perceptual hash, 64 bits")
    compared_with: Series[pd.Int64Dtype] = pa.Field(
        nullable=True, description="frame of the readable picture before it"
    )
    change: Series[float] = pa.Field(
        ge=0, le=1, nullable=True, description="mean difference of luma from the picture it is compared with"
    )
    change_peak: Series[float] = pa.Field(
        ge=0, le=1, nullable=True, description="the same in the sixteenth by ninth of the picture that changed most"
    )

    class Config:
        """Exactly these columns, in this order."""

        strict = True
        ordered = True


class Survey:
    """A pass under way: pictures go in one by one, as they are written; the table comes out at the end.

    At most twice as many pictures as workers wait or are being decoded, whatever their number. Use it as a context
    manager: leaving it ends its threads.

    Args:
        progress: told after each picture.
        workers: threads (decoding and resizing let go of the interpreter's lock); all cores of this process if None.
    """

    def __init__(self, progress: Progress | None = None, workers: int | None = None) -> None:
        threads = workers or cores()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._most = 2 * threads
        self._waiting: deque[tuple[int, Future[tuple[Measures, Thumbnail | None]]]] = deque()
        self._rows: list[dict[str, object]] = []
        self._before: tuple[int, Thumbnail] | None = None
        self._progress = progress

    def __enter__(self) -> Survey:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, frame_index: int, path: Path) -> None:
        """Measure a picture, soon; waits while too many others are waiting.

        Args:
            frame_index: larger than that of the picture before.
            path: of the file; it must stay until ``table``.
        """
        self._waiting.append((frame_index, self._pool.submit(measure_picture, path)))
        if len(self._waiting) > self._most:
            self._take()

    def table(self) -> pd.DataFrame:
        """The rows of ``Pictures``, once all pictures are measured."""
        while self._waiting:
            self._take()
        columns = Pictures.to_schema().columns
        texts = {"problem", "phash"}
        table = pd.DataFrame(self._rows, columns=list(columns))
        return table.astype({name: "str" if name in texts else str(columns[name].dtype) for name in columns})

    def _take(self) -> None:
        frame_index, future = self._waiting.popleft()
        measures, thumbnail = future.result()
        row = {
            "frame_index": frame_index,
            **asdict(measures),
            "compared_with": None,
            "change": None,
            "change_peak": None,
        }
        if thumbnail is not None:
            if self._before is not None:
                row["compared_with"] = self._before[0]
                row["change"], row["change_peak"] = change_between(self._before[1], thumbnail)
            self._before = frame_index, thumbnail
        self._rows.append(row)
        if self._progress is not None:
            self._progress(len(self._rows))


def survey(
    pictures: Iterable[tuple[int, Path]], progress: Progress | None = None, workers: int | None = None
) -> pd.DataFrame:
    """The rows of ``Pictures`` of some files.

    Args:
        pictures: ``(frame index, file)``, by frame index.
        progress: told after each picture.
        workers: as for ``Survey``.
    """
    with Survey(progress, workers) as running:
        for frame_index, path in pictures:
            running.add(frame_index, path)
        return running.table()


def now_and_then(say: Progress, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress that says something at most every few seconds, and nothing of what is done sooner.

    Args:
        say: told the number of pictures.
        seconds: between two times.
        clock: seconds of a clock that does not go back.
    """
    last = clock()

    def progress(done: int) -> None:
        nonlocal last
        if clock() - last >= seconds:
            last = clock()
            say(done)

    return progress
