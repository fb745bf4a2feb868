from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.evaluation.control import ControlKind, choose_control
from sam2_assets.instructions.sample import Sample
from sam2_assets_tests.evaluation.builders import png, sample

sizes = st.lists(st.integers(1, 12), min_size=2, max_size=6)


def samples_of(counts: list[int]) -> list[Sample]:
    picture = png()
    return [
        sample(f"video{video}", frame, picture=picture) for video, count in enumerate(counts) for frame in range(count)
    ]


@given(sizes, st.integers(0, 1000))
def test_no_question_is_ever_asked_with_a_picture_of_its_own_video(counts: list[int], seed: int) -> None:
    samples = samples_of(counts)
    control = choose_control(samples, seed)
    assert control.kind is ControlKind.ANOTHER_VIDEO
    assert len(control.donors) == len(samples)
    assert all(samples[d].video_id != s.video_id for s, d in zip(samples, control.donors, strict=True))


@given(sizes.filter(lambda counts: 2 * max(counts) <= sum(counts)), st.integers(0, 1000))
def test_every_picture_is_shown_once_where_no_video_holds_the_majority(counts: list[int], seed: int) -> None:
    control = choose_control(samples_of(counts), seed)
    assert sorted(control.donors) == list(range(sum(counts)))


def test_pictures_of_small_videos_are_reused_evenly_for_a_dominant_one() -> None:
    control = choose_control(samples_of([9, 3]), seed=4)
    shown = Counter(control.donors[:9])
    assert set(shown) == {9, 10, 11}
    assert set(shown.values()) == {3}


def test_the_same_seed_draws_the_same_control_and_another_seed_another() -> None:
    samples = samples_of([6, 6, 6])
    assert choose_control(samples, 1) == choose_control(samples, 1)
    assert choose_control(samples, 1) != choose_control(samples, 2)


def test_a_single_video_is_controlled_with_a_blank_picture_of_the_frames_size() -> None:
    samples = samples_of([3])
    control = choose_control(samples, 0)
    assert control.kind is ControlKind.BLANK
    picture = control.picture(samples, 1)
    assert picture.size == (64, 48)
    assert picture.getcolors() == [(64 * 48, (128, 128, 128))]
    assert control.shown(samples, 1) == "blank"


def test_the_lent_picture_is_the_donors() -> None:
    samples = [sample("a", 0, picture=png((255, 0, 0))), sample("b", 0, picture=png((0, 255, 0)))]
    control = choose_control(samples, 0)
    assert control.picture(samples, 0).getpixel((0, 0)) == (0, 255, 0)
    assert control.shown(samples, 0) == "b/0/main_object"
