"""Whether a video is the one an export was made from, and which of its frames became which of the export's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from sam2_assets.errors import ExportError
from sam2_assets.exports.colours import comparable, exchanged_sample
from sam2_assets.exports.document import Document, Order
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.sampling import SampledFrame, look_at
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.exports.video.clock import STEPS, Timeline
from sam2_assets.exports.video.comparison import (
    LEAST_AGREEMENT,
    SMOOTH_TOLERANCE,
    TOLERANCE,
    Reference,
    agreement,
    reference,
)
from sam2_assets.exports.video.refusals import mismatch, unverifiable
from sam2_assets.exports.video.search import Located, locate, neighbour_distances, refuse_better_neighbour
from sam2_assets.exports.video.source import SourceVideo
from sam2_assets.exports.video.stream import probe, read_numbers
from sam2_assets.exports.video.survey import Survey
from sam2_assets.tables import ImageOrigin

# The demo's seek is 0 unless a person gives another, so the first second is tried before the whole video is read.
_FIRST_SEEKS: Final = STEPS
_MARGIN_S: Final = 2.0
_ASPECT: Final = 0.03


def match_video(
    path: Path,
    document: Document,
    samples: Sequence[SampledFrame],
    unstated: Order,
    pictures: ImageOrigin,
    *,
    pictured: Sequence[int],
    load: Callable[[int], Pixels],
    settings: ImportSettings,
) -> SourceVideo:
    """Hold a video against an export.

    A file of the export's size and number of frames is taken as the demo's own: frame ``i`` is its frame ``i``. Any
    other is taken as the upload, resampled at ``settings.fps_assumed`` from a seek that is searched for. Either way
    the pixels decide.

    Args:
        path: the video.
        document: the export.
        samples: frames to compare; those without a picture, with a black one or painted all over tell nothing.
        unstated: scan order of masks that do not state one.
        pictures: whether the export's pictures are painted.
        pictured: indices of annotated frames that have a picture.
        load: gives the pixels of such a frame.
        settings: bounds, the transcoded frame rate, a stated seek.

    Raises:
        ExportError: ``video_missing``, ``video_unreadable``, ``video_too_large``, ``video_mismatch``,
            ``video_ambiguous``, ``video_unverifiable``.
    """
    survey = Survey(probe(path, settings))
    return _Match(survey, document, samples, unstated, pictures, pictured, load, settings).found()


class _Match:
    """One video held against one export; arguments as in ``match_video``."""

    def __init__(
        self,
        survey: Survey,
        document: Document,
        samples: Sequence[SampledFrame],
        unstated: Order,
        pictures: ImageOrigin,
        pictured: Sequence[int],
        load: Callable[[int], Pixels],
        settings: ImportSettings,
    ) -> None:
        self.survey, self.document = survey, document
        self.samples = [comparable(sample) for sample in samples]
        self.exchanged = False
        self.unstated, self.pictures, self.pictured, self.load = unstated, pictures, pictured, load
        self.path = survey.stream.path
        self.size = document.width, document.height
        self.rate = Fraction(str(settings.fps_assumed))
        stated = settings.video_seek_s
        self.stated = None if stated is None else round(stated * STEPS)
        self.indices = np.array([frame.frame_index for frame in document.frames], np.int64)
        self.references = self._references(self.samples)

    def found(self) -> SourceVideo:
        """The agreeing video, the demo's own file before the upload."""
        total, stream = self.document.total_frames, self.survey.stream
        first = self.stated if self.stated is not None else _FIRST_SEEKS
        self.survey.extend(frames=total, seconds=first / STEPS + float(total / self.rate) + _MARGIN_S)
        if (stream.width, stream.height) == self.size and self.survey.complete and len(self.survey) == total:
            return self._transcoded()
        self._refuse_other_shape()
        if self.stated is not None:
            return self._upload(range(self.stated, self.stated + 1))
        if not self.references:
            raise unverifiable(self.path)
        if not self.survey.complete:
            try:
                return self._upload(range(_FIRST_SEEKS + 1))
            except ExportError as error:
                if error.code != "video_mismatch":
                    raise
            self.survey.extend(frames=stream.max_frames, seconds=float("inf"))
        return self._upload(None)

    def _transcoded(self) -> SourceVideo:
        numbers = {int(index): int(index) for index in self.indices}
        shares = self._agreement(numbers, turned=False, smoothed=False)
        if self.references and not self.survey.rotation:
            distances = neighbour_distances(self.survey, self.references, numbers)
            own = {r.index: r.index for r in self.references}
            refuse_better_neighbour(self.survey, distances, own, "the first frame")
        return self._source(numbers, shares, None, None)

    def _upload(self, seeks: range | None) -> SourceVideo:
        """``seeks``: hundredths of a second; all that the video has if None."""
        timeline = self.survey.timeline(self.rate)
        if timeline is None:
            raise mismatch(self.path, "time stamps", "not increasing", "frames cannot be resampled by them")
        total = self.document.total_frames
        wanted = range(max(timeline.last_seek(total), 0) + 1) if seeks is None else seeks
        if not self.references:
            return self._stated_upload(timeline, wanted.start)
        located = locate(
            self.survey, timeline, self.indices, total, self.references, self._prepare, self.pictured, wanted
        )
        numbers = {int(i): int(n) for i, n in zip(self.indices, located.candidate.numbers, strict=True)}
        shares = self._agreement(numbers, turned=True, smoothed=True, seek=located.candidate.seek)
        return self._source(numbers, shares, located.candidate.seek, located)

    def _stated_upload(self, timeline: Timeline, seek: int) -> SourceVideo:
        """With no picture to compare, only the length can be checked."""
        total = self.document.total_frames
        resampled = timeline.resampled(seek, self.indices)
        if resampled is None or resampled[1] < total:
            seen = 0 if resampled is None else resampled[1]
            raise mismatch(
                self.path,
                "frames",
                f"{seen} from {seek / STEPS:g} s at {float(self.rate):g} frames a second",
                f"the export was made from {total} frames",
            )
        return self._source({int(i): int(n) for i, n in zip(self.indices, resampled[0], strict=True)}, {}, seek, None)

    def _refuse_other_shape(self) -> None:
        """The demo keeps the aspect; with some libraries it takes that of the frame before its rotation."""
        stream = self.survey.stream
        width, height = self.size
        shapes = {stream.size(self.survey.rotation), stream.size(0)}
        if all(abs(width * h / (w * height) - 1) > _ASPECT + 2 / min(width, height) for w, h in shapes):
            seen = " or ".join(f"{w} x {h}" for w, h in sorted(shapes))
            raise mismatch(
                self.path, "size", seen, f"the export was made from {width} x {height} pixels, another shape"
            )

    def _prepare(self, indices: Sequence[int]) -> list[Reference]:
        records = {frame.frame_index: frame for frame in self.document.frames}
        return self._references(comparable(look_at(self.document, records[index], self.load)) for index in indices)

    def _references(self, samples: Iterable[SampledFrame]) -> list[Reference]:
        prepared = (reference(sample, self.unstated, self.pictures) for sample in samples)
        return [each for each in prepared if each is not None]

    def _agreement(
        self, numbers: Mapping[int, int], *, turned: bool, smoothed: bool, seek: int | None = None
    ) -> dict[int, float]:
        """Agreement of the sampled frames with their source frames; refuses the video below the threshold."""
        by_number: dict[int, list[SampledFrame]] = {}
        for sample in self.samples:
            if sample.picture is not None:
                by_number.setdefault(numbers[sample.record.frame_index], []).append(sample)
        shares: dict[int, float] = {}
        if_exchanged: dict[int, float] = {}
        for each in read_numbers(self.survey.stream, by_number, self.survey.ticks(), timed=self.survey.timed):
            pixels = each.pixels(*self.size, turned=turned)
            for sample in by_number[each.number]:
                share = agreement(sample, pixels, self.unstated, self.pictures, smoothed=smoothed)
                if share is not None:
                    shares[sample.record.frame_index] = round(share, 4)
                if share is not None and not smoothed:
                    other = exchanged_sample(sample)
                    found = agreement(other, pixels, self.unstated, self.pictures, smoothed=smoothed)
                    if_exchanged[sample.record.frame_index] = round(found or 0.0, 4)
        if if_exchanged and min(shares.values()) < LEAST_AGREEMENT <= min(if_exchanged.values()):
            # what was searched for by brightness does not come here: exchanged colours have another brightness
            self.exchanged, shares = True, if_exchanged
            self.references = self._references(map(exchanged_sample, self.samples))
        if shares and min(shares.values()) < LEAST_AGREEMENT:
            where = "" if seek is None else f", at the best place found ({seek / STEPS:g} s)"
            levels = f"{SMOOTH_TOLERANCE} levels (smoothed)" if smoothed else f"{TOLERANCE} levels"
            raise mismatch(
                self.path,
                "pixels",
                f"{min(shares.values()):.3f} agree",
                f"of the unpainted pixels {LEAST_AGREEMENT} must lie within {levels} of the export's pictures; "
                f"by frame{where}: {shares}",
            )
        return shares

    def _source(
        self, numbers: Mapping[int, int], shares: Mapping[int, float], seek: int | None, located: Located | None
    ) -> SourceVideo:
        upload = seek is not None
        stream, survey = self.survey.stream, self.survey
        ticks = survey.ticks()
        clock = Timeline(ticks, stream.time_base, stream.start_us, self.rate)
        with self.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        width, height = stream.size(survey.rotation if upload else 0)
        return SourceVideo(
            stream=stream,
            kind="upload" if upload else "transcoded",
            sha256=sha256,
            width=width,
            height=height,
            fps=float(self.rate if upload else stream.rate),
            frames=len(survey),
            complete=survey.complete,
            agreement=shares,
            numbers=numbers,
            times={index: clock.seconds(number) for index, number in numbers.items()},
            turned=upload,
            located=located,
            seek_s=None if seek is None else seek / STEPS,
            ticks=ticks,
            timed=survey.timed,
            exchanged=self.exchanged,
        )
