"""What the size gate advises is true: whoever follows it passes the gate, and less would not do."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.settings import Layer, resolve
from sam2_assets.splitting import SplitSettings, enough_samples
from sam2_assets.splitting.temporal import assign
from sam2_assets.splitting.ways_out import ways_out

SETTINGS = SplitSettings()


def table(frames: int, rate: float, settings: SplitSettings = SETTINGS, video: str = "a") -> pd.DataFrame:
    """The split of a video with so many frames at so many a second."""
    times = np.arange(frames) / rate
    return pd.DataFrame({"video_id": video, "time_s": times, "split": assign(times, settings).splits})


def changed(changes: tuple[str, ...]) -> SplitSettings:
    """The settings after ``sam2-assets settings --set``."""
    values: dict[str, object] = {}
    for change in changes:
        name, _, value = change.partition("=")
        assert name.startswith("splitting.")
        values[name.removeprefix("splitting.")] = yaml.safe_load(value)
    return resolve([Layer("the command", {"splitting": values})]).settings.splitting


@given(frames=st.integers(1, 120), rate=st.sampled_from([0.5, 1.0, 2.0, 5.0, 10.0, 24.0, 29.97]))
def test_following_any_of_the_advice_opens_the_gate(frames: int, rate: float) -> None:
    gate = enough_samples(table(frames, rate), SETTINGS)
    if gate.passed:
        assert not gate.settings
        return
    if gate.settings:
        settings = changed(gate.settings)
        assert enough_samples(table(frames, rate, settings), settings).passed
    for clause in ways_out(table(frames, rate), SETTINGS).more_frames:
        assert clause.lower() in gate.remedy.lower()
        if better := re.search(r"at (\d+) or more frames a second", clause):
            more = int(better[1])
            assert more > rate
            assert enough_samples(table(int(frames / rate * more), more), SETTINGS).passed
        if longer := re.search(r"about ([\d.]+) s of video", clause):
            # The seconds are rounded to one decimal.
            needed = float(longer[1]) * rate
            assert needed > frames - 0.05 * rate
            assert enough_samples(table(round(needed + 0.05 * rate + 1), rate), SETTINGS).passed
            assert not enough_samples(table(max(1, int(needed - 0.05 * rate) - 1), rate), SETTINGS).passed


def test_a_clip_just_too_short_is_told_a_shorter_guard_and_a_tiny_one_is_not_told_what_cannot_help() -> None:
    assert enough_samples(table(30, 5), SETTINGS).settings == ("splitting.guard_gap_s=0.25",)
    assert enough_samples(table(1, 5), SETTINGS).settings == ()


def test_a_corpus_is_told_to_get_more_videos() -> None:
    corpus = pd.concat([table(6, 5, video="a"), table(5, 5, video="b")])
    gate = enough_samples(corpus, SETTINGS)
    assert not gate.passed
    assert "more videos" in gate.remedy
    assert gate.settings == ()
