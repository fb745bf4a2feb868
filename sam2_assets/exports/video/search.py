"""Where in an uploaded video the demo's cut begins: from thumbnails to the exact frame.

Every candidate is a seek that the demo can have written (hundredths of a second), turned into source frames by
FFmpeg's own rounding. Thumbnails of the whole video find the neighbourhood; there, candidates that lead to different
frames are compared in detail on pictures where they differ. Rivals elsewhere in the video are carried along, so that
repeated scenes are told apart by their details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from sam2_assets.errors import ExportError
from sam2_assets.exports.pictures import Pixels
from sam2_assets.exports.video.clock import STEPS, Numbers, Timeline
from sam2_assets.exports.video.comparison import Reference
from sam2_assets.exports.video.refusals import ambiguous, mismatch
from sam2_assets.exports.video.stream import read_numbers
from sam2_assets.exports.video.survey import Survey

_COARSE: Final = 4
_WINDOW: Final = 12
_APART: Final = 50
_PLACES: Final = 3
_RIVAL_FACTOR: Final = 1.5
_MOST_PICTURES: Final = 48
_PER_STEP: Final = 2
# A frame next to the right one must not look better than it by more than codec noise does.
_NEIGHBOURS: Final = (-2, -1, 1, 2)
_BETTER_BY: Final = 0.05
_TIE: Final = 0.02
_VISIBLE: Final = 8
_VISIBLE_SHARE: Final = 0.0005
_TIE_PICTURES: Final = 4

Prepare = Callable[[Sequence[int]], list[Reference]]
"""Frame indices that have a picture -> those that can be compared."""
Distances = dict[tuple[int, int], float]
"""``(frame index, source frame number)`` -> detail distance, levels of 0..255."""


@dataclass
class Candidate:
    """Seeks that lead to the same source frames.

    Args:
        numbers: source frame of every annotated frame.
        seeks: hundredths of a second, ascending.
    """

    numbers: Numbers
    seeks: list[int] = field(default_factory=list)

    @property
    def seek(self) -> int:
        """The likeliest: no seek, else the middle one."""
        return 0 if 0 in self.seeks else self.seeks[len(self.seeks) // 2]


@dataclass(frozen=True)
class Located:
    """The candidate that agrees best.

    Args:
        candidate: seeks and source frames.
        distance: mean detail distance over the compared pictures, levels of 0..255.
        compared: frame indices of those pictures.
        runner_up: distance of the best candidate that shows other frames, on the pictures where the two differ,
            and the chosen one's there; None if there is none.
        alike: further seeks whose frames look the same, seconds.
    """

    candidate: Candidate
    distance: float
    compared: tuple[int, ...]
    runner_up: tuple[float, float] | None
    alike: tuple[float, ...]


def locate(
    survey: Survey,
    timeline: Timeline,
    indices: Numbers,
    total: int,
    references: Sequence[Reference],
    prepare: Prepare,
    pictured: Sequence[int],
    seeks: range,
) -> Located:
    """Find the seek.

    Args:
        survey: thumbnails and times of the part of the video that ``seeks`` can reach.
        timeline: its times, with the transcoded rate.
        indices: annotated frames, ascending.
        total: frames of the transcoded video.
        references: pictures to start with, at least one.
        prepare: gives more of them.
        pictured: frame indices that have a picture.
        seeks: candidates, hundredths of a second.

    Raises:
        ExportError: ``video_mismatch``, ``video_ambiguous``.
    """
    candidates = _candidates(timeline, indices, total, _places(survey, timeline, total, references, seeks), seeks)
    if not candidates:
        most = timeline.resampled(max(seeks.start, 0), np.zeros(1, np.int64))
        raise mismatch(
            survey.stream.path,
            "frames",
            f"{most[1] if most else 0} at {float(timeline.rate):g} frames a second",
            f"the export was made from {total} frames",
        )
    position = {int(index): place for place, index in enumerate(indices)}
    chosen = _telling(candidates, position, references, pictured)
    pictures = [*references, *prepare([i for i in chosen if i not in {r.index for r in references}])]
    distances = _distances(survey, pictures, candidates, position)

    def score(candidate: Candidate) -> float:
        return float(np.mean([distances[r.index, int(candidate.numbers[position[r.index]])] for r in pictures]))

    best = min(candidates, key=lambda each: (round(score(each), 6), each.seek))
    refuse_better_neighbour(
        survey, distances, {r.index: int(best.numbers[position[r.index]]) for r in pictures}, f"{best.seek / STEPS:g} s"
    )
    alike: list[float] = []
    runner_up: tuple[float, float] | None = None
    for rival in candidates:
        differing = [r for r in pictures if rival.numbers[position[r.index]] != best.numbers[position[r.index]]]
        if rival is best or not differing:
            alike += [] if rival is best else [seek / STEPS for seek in rival.seeks]
            continue
        theirs = float(np.mean([distances[r.index, int(rival.numbers[position[r.index]])] for r in differing]))
        ours = float(np.mean([distances[r.index, int(best.numbers[position[r.index]])] for r in differing]))
        if theirs - ours > _TIE:
            if runner_up is None or theirs - ours < runner_up[0] - runner_up[1]:
                runner_up = round(theirs, 3), round(ours, 3)
            continue
        _refuse_hidden_difference(survey, differing, best, rival, position)
        alike += [seek / STEPS for seek in rival.seeks]
    return Located(best, round(score(best), 3), tuple(sorted(r.index for r in pictures)), runner_up, tuple(alike))


def neighbour_distances(survey: Survey, pictures: Sequence[Reference], numbers: Mapping[int, int]) -> Distances:
    """Distances of each picture to its source frame (``numbers``: by frame index) and to those around it."""
    return _measure(survey, [(r, numbers[r.index] + step) for r in pictures for step in (0, *_NEIGHBOURS)])


def refuse_better_neighbour(survey: Survey, distances: Distances, numbers: Mapping[int, int], where: str) -> None:
    """Refuse a video whose frames just before or after agree better: its clock is another one.

    Raises:
        ExportError: ``video_mismatch``.
    """
    right = float(np.mean([distances[index, number] for index, number in numbers.items()]))
    for step in _NEIGHBOURS:
        pairs = [(i, n) for i, n in numbers.items() if (i, n + step) in distances]
        if len(pairs) < len(numbers) * 0.5:
            continue
        here = float(np.mean([distances[pair] for pair in pairs]))
        there = float(np.mean([distances[i, n + step] for i, n in pairs]))
        if there < here * (1 - _BETTER_BY) - _TIE:
            raise mismatch(
                survey.stream.path,
                "clock",
                f"frames {step:+d} agree better",
                f"from {where}, a picture differs by {right:.2f} levels from its frame and by {there:.2f} from the "
                f"one {abs(step)} {'later' if step > 0 else 'earlier'}",
            )


def _places(survey: Survey, timeline: Timeline, total: int, references: Sequence[Reference], seeks: range) -> list[int]:
    """Seeks with the smallest thumbnail distance, best first, at least half a second apart."""
    thumbnails = survey.thumbnails()
    distances = [r.thumbnails(thumbnails) for r in references]
    indices = np.array([r.index for r in references], np.int64)
    steps, costs = [], []
    for seek in sorted({*seeks[::_COARSE], seeks[-1]} if len(seeks) else ()):
        found = timeline.resampled(seek, indices)
        if found is not None and found[1] >= total:
            steps.append(seek)
            costs.append(float(np.mean([d[n] for d, n in zip(distances, found[0], strict=True)])))
    places: list[int] = []
    for at in np.argsort(costs, kind="stable").tolist():
        if len(places) == _PLACES or costs[at] > _RIVAL_FACTOR * min(costs) + 1:
            break
        if all(abs(steps[at] - place) > _APART for place in places):
            places.append(steps[at])
    return places


def _candidates(
    timeline: Timeline, indices: Numbers, total: int, places: Iterable[int], seeks: range
) -> list[Candidate]:
    """Candidates around ``places``, by seek; seeks that lead to the same frames are one candidate."""
    found: dict[bytes, Candidate] = {}
    near = {seek for place in places for seek in range(place - _WINDOW, place + _WINDOW + 1) if seek in seeks}
    for seek in sorted(near):
        resampled = timeline.resampled(seek, indices)
        if resampled is not None and resampled[1] >= total:
            found.setdefault(resampled[0].tobytes(), Candidate(resampled[0])).seeks.append(seek)
    return list(found.values())


def _telling(
    candidates: Sequence[Candidate],
    position: Mapping[int, int],
    references: Sequence[Reference],
    pictured: Sequence[int],
) -> list[int]:
    """Frame indices on which neighbouring candidates differ, a few for each step, evenly spread."""
    chosen = {r.index for r in references}
    places = np.array([position[i] for i in pictured], np.int64)
    for before, after in pairwise(candidates):
        differing = np.flatnonzero(before.numbers[places] != after.numbers[places])
        if len(differing) and not any(pictured[i] in chosen for i in differing.tolist()):
            spread = np.linspace(0, len(differing) - 1, min(_PER_STEP, len(differing))).round().astype(int)
            chosen |= {pictured[int(differing[i])] for i in spread}
        if len(chosen) >= _MOST_PICTURES:
            break
    return sorted(chosen)


def _distances(
    survey: Survey, pictures: Sequence[Reference], candidates: Sequence[Candidate], position: Mapping[int, int]
) -> Distances:
    needed = []
    for picture in pictures:
        numbers = {int(c.numbers[position[picture.index]]) for c in candidates}
        near = {number + step for number in numbers for step in (0, *_NEIGHBOURS)}
        needed += [(picture, number) for number in near]
    return _measure(survey, needed)


def _measure(survey: Survey, needed: Iterable[tuple[Reference, int]]) -> Distances:
    by_number: dict[int, list[Reference]] = {}
    for picture, number in needed:
        if 0 <= number < len(survey):
            by_number.setdefault(number, []).append(picture)
    found: Distances = {}
    for each in read_numbers(survey.stream, by_number, survey.ticks(), timed=survey.timed):
        wanted = by_number[each.number]
        candidate = each.pixels(*wanted[0].size)
        found |= {(picture.index, each.number): picture.detail(candidate) for picture in wanted}
    return found


def _refuse_hidden_difference(
    survey: Survey,
    differing: Sequence[Reference],
    best: Candidate,
    rival: Candidate,
    position: Mapping[int, int],
) -> None:
    """Two seeks agree equally well. That is harmless where their frames look the same, and refused where they differ
    only under what the exporter drew.

    Raises:
        ExportError: ``video_ambiguous``.
    """
    pictures = [differing[i] for i in np.linspace(0, len(differing) - 1, _TIE_PICTURES).round().astype(int)]
    pairs = {r.index: (int(best.numbers[position[r.index]]), int(rival.numbers[position[r.index]])) for r in pictures}
    numbers = {number for pair in pairs.values() for number in pair}
    frames: dict[int, Pixels] = {
        each.number: each.pixels(*pictures[0].size)
        for each in read_numbers(survey.stream, numbers, survey.ticks(), timed=survey.timed)
    }
    for picture in pictures:
        ours, theirs = (cv2.GaussianBlur(frames[number], (0, 0), 2) for number in pairs[picture.index])
        visible = cv2.absdiff(ours, theirs).max(axis=2) > _VISIBLE
        if visible.mean() > _VISIBLE_SHARE and (visible & picture.comparable).mean() <= _VISIBLE_SHARE:
            raise _ambiguous(survey, best, rival, picture.index, float(visible.mean()))


def _ambiguous(survey: Survey, best: Candidate, rival: Candidate, index: int, share: float) -> ExportError:
    return ambiguous(
        survey.stream.path,
        f"{best.seek / STEPS:g} s and {rival.seek / STEPS:g} s",
        f"both agree with the export, but their frames for frame {index} differ in {share:.2%} of the pixels, all of "
        "them under outlines and labels",
    )
