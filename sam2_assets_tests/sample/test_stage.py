"""What is drawn: recognisable, balanced over time, with masks that agree with the pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sam2_assets.sample.choreography import PERIOD, make_plan
from sam2_assets.sample.classes import CLASSES
from sam2_assets.sample.paint import Sprite
from sam2_assets.sample.stage import DrawnFrame, Stage

FRAME_AREA = 640 * 360
STEP = 6
VIDEOS = range(8)


class Story:
    """Areas and labels of every sixth frame of the eight default videos."""

    def __init__(self) -> None:
        self.frames: dict[int, list[list[tuple[int, str]]]] = {}
        for video in VIDEOS:
            stage = Stage(0, video)
            self.frames[video] = [self.visible(stage.draw(index)) for index in range(0, PERIOD, STEP)]

    @staticmethod
    def visible(drawn: DrawnFrame) -> list[tuple[int, str]]:
        return sorted(((item.area, item.label) for item in drawn.objects if item.area), reverse=True)

    def leaders(self, video: int, start: int = 0, stop: int = PERIOD) -> list[str]:
        chosen = self.frames[video][start // STEP : stop // STEP]
        return [visible[0][1] for visible in chosen if visible]


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def test_no_class_leads_in_more_than_a_fifth_of_the_frames_nor_of_any_test_block(story: Story) -> None:
    for start, stop in [(0, 240), (216, 240), (192, 240), (0, 24), (72, 96), (120, 144), (168, 192)]:
        counts = Counter(label for video in VIDEOS for label in story.leaders(video, start, stop))
        assert len(counts) >= 6, (start, counts)
        assert max(counts.values()) <= 0.2 * counts.total(), (start, counts)


def test_every_video_switches_its_leader_several_times_between_at_most_four_classes(story: Story) -> None:
    for video in VIDEOS:
        leaders = story.leaders(video)
        assert 2 <= len(set(leaders)) <= 4
        assert sum(a != b for a, b in pairwise(leaders)) >= 6
        assert max(Counter(leaders).values()) < 0.4 * len(leaders)


def test_every_class_of_a_last_second_led_earlier_in_that_video_and_in_two_others(story: Story) -> None:
    for video in VIDEOS:
        for label in set(story.leaders(video, 216)):
            assert label in story.leaders(video, 0, 144)
            assert sum(label in story.leaders(other, 0, 144) for other in VIDEOS if other != video) >= 2


def test_the_largest_object_is_clearly_the_largest_in_nine_frames_of_ten(story: Story) -> None:
    for video in VIDEOS:
        shown = [visible for visible in story.frames[video] if visible]
        clear = [all(visible[0][0] >= 1.3 * area for area, _ in visible[1:]) for visible in shown]
        assert np.mean(clear) >= 0.9
        assert 0.08 < np.median([visible[0][0] for visible in shown]) / FRAME_AREA < 0.25


def test_few_frames_are_empty_and_none_in_the_last_two_seconds(story: Story) -> None:
    empty = [index for video in VIDEOS for index, visible in enumerate(story.frames[video]) if not visible]
    assert 3 <= len(empty) <= 20
    assert max(empty) * STEP < 192


def test_every_class_looks_unlike_the_others_in_colour() -> None:
    def hues(sprite: Sprite) -> np.ndarray:
        rgba = sprite.levels[-1].reshape(-1, 4)
        inside = rgba[rgba[:, 3] > 250][:, :3].astype(int) // 64
        return np.bincount(inside @ [16, 4, 1], minlength=64) / len(inside)

    pictures = [[hues(kind.paint(np.random.default_rng(seed))) for seed in (1, 2)] for kind in CLASSES]
    for k, (first, second) in enumerate(pictures):
        assert not np.array_equal(first, second)
        own = np.minimum(first, second).sum()
        others = [np.minimum(first, other).sum() for j, pair in enumerate(pictures) if j != k for other in pair]
        assert own > max(others), CLASSES[k].label


def test_masks_never_overlap_and_cover_what_was_drawn() -> None:
    stage = Stage(3, 1)
    without = stage.draw(82).rgb  # nobody there: the camera looks away
    assert all(item.area == 0 for item in stage.draw(82).objects)
    assert without.std() > 3
    for index in (10, 40, 120):
        drawn = stage.draw(index)
        stack = np.stack([item.mask for item in drawn.objects])
        assert stack.sum(axis=0).max() == 1
        for item in drawn.objects:
            rows, columns = np.nonzero(item.mask)
            if rows.size:
                x, y, w, h = item.box
                assert (x, y) == (columns.min(), rows.min())
                assert (x + w - 1, y + h - 1) == (columns.max(), rows.max())
                assert item.area == rows.size


def test_mask_lies_on_the_pixels_of_its_object() -> None:
    stage, lonely = Stage(0, 6), Stage(0, 6)
    leader = max(stage.draw(234).objects, key=lambda item: item.area)
    others = tuple(actor for actor in stage.plan.actors if actor.object_id != leader.object_id)
    lonely.plan = replace(stage.plan, actors=others)
    changed = np.abs(stage.draw(234).rgb.astype(int) - lonely.draw(234).rgb).max(axis=2) > 12
    mask = leader.mask > 0
    assert (changed & mask).sum() > 0.93 * mask.sum()
    assert (changed & ~mask).sum() < 0.05 * mask.sum()


def test_track_numbers_have_gaps_and_objects_leave_through_the_edges() -> None:
    plans = [make_plan(0, video) for video in VIDEOS]
    ids = [sorted(actor.object_id for actor in plan.actors) for plan in plans]
    assert any(numbers != list(range(len(numbers))) for numbers in ids)
    for plan in plans:
        centres = [plan.pose(actor, index).x for actor in plan.actors for index in range(0, PERIOD, 8)]
        assert min(centres) < 0 or max(centres) > 640


def test_motion_is_continuous_also_where_the_scenes_start_over() -> None:
    plan = make_plan(0, 0)
    for actor in plan.actors:
        poses = [plan.pose(actor, index) for index in range(2 * PERIOD)]
        assert max(abs(b.x - a.x) for a, b in pairwise(poses)) < 90
        assert max(abs(np.log(b.area / a.area)) for a, b in pairwise(poses)) < 0.4
