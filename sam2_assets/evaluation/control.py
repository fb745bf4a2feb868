"""The control: every question asked again about a picture that cannot answer it.

What the adapter scores there it knows without looking. The picture comes from **another video**, chosen without
regard to what it shows: wanting a different true label too would push the control below chance and flatter the score.
Where the test split holds a single video there is no such picture, and other moments of the same video show the same
things; the control is then a blank (mid-grey) picture of the frame's size.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from sam2_assets.instructions.sample import Sample

_GREY = (128, 128, 128)


class ControlKind(StrEnum):
    """What the control shows instead of the sample's own frame."""

    ANOTHER_VIDEO = "another_video"
    BLANK = "blank"


@dataclass(frozen=True)
class Control:
    """The control of a test split: ``donors[i]`` is the index of the sample that lends sample ``i`` its picture."""

    kind: ControlKind
    donors: tuple[int, ...]

    def picture(self, samples: Sequence[Sample], index: int) -> Image.Image:
        """The RGB picture the control shows with question ``index``."""
        if self.kind is ControlKind.BLANK:
            return Image.new("RGB", (samples[index].width, samples[index].height), _GREY)
        return samples[self.donors[index]].image()

    def shown(self, samples: Sequence[Sample], index: int) -> str:
        """The sample id of the lent picture, or ``blank``."""
        return "blank" if self.kind is ControlKind.BLANK else samples[self.donors[index]].sample_id


def choose_control(samples: Sequence[Sample], seed: int) -> Control:
    """Draw the control of a test split; the same samples and seed give the same one.

    With no video holding more than half of the samples, the donors are a permutation (every picture is shown exactly
    once). Otherwise pictures of the smaller videos are shown more than once.
    """
    rng = random.Random(seed)
    videos: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        videos.setdefault(sample.video_id, []).append(index)
    if len(videos) < 2:
        return Control(ControlKind.BLANK, ())
    groups = [videos[video] for video in sorted(videos)]
    rng.shuffle(groups)
    for group in groups:
        rng.shuffle(group)
    order = [index for group in groups for index in group]
    largest = max(len(group) for group in groups)
    donors = [0] * len(samples)
    if 2 * largest <= len(samples):
        for position, index in enumerate(order):
            donors[index] = order[(position + largest) % len(order)]
        return Control(ControlKind.ANOTHER_VIDEO, tuple(donors))
    for group in groups:
        members = set(group)
        others = [index for index in order if index not in members]
        rng.shuffle(others)
        for position, index in enumerate(group):
            donors[index] = others[position % len(others)]
    return Control(ControlKind.ANOTHER_VIDEO, tuple(donors))
