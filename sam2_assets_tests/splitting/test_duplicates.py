from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sam2_assets.splitting import Member, SplitSettings, enough_samples, no_leakage, read_splits, split
from sam2_assets.splitting.duplicates import alike, count_alike, drop_alike
from sam2_assets_tests.splitting.members import corpus, flipped, hash_of, video

TEMPORAL = SplitSettings(strategy="temporal")


def evidence(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "splits.json").read_text())
    return document


def with_hash(member: Member, row: int, phash: str) -> Member:
    frames = member.frames.copy()
    frames.loc[row, "phash"] = phash
    return dataclasses.replace(member, frames=frames)


def sides(folder: Path, video_id: str) -> list[str]:
    table = read_splits(folder)
    return [str(split) for split in table.loc[table["video_id"] == video_id, "split"]]


@st.composite
def pictures(draw: st.DrawFn) -> pd.DataFrame:
    """Frames of which some look alike by up to eight bits, some have no hash, some equal bytes."""
    count = draw(st.integers(1, 30))
    bases = [hash_of(i) for i in range(draw(st.integers(1, 4)))]
    rows = []
    for i in range(count):
        base = draw(st.sampled_from(bases))
        known = draw(st.booleans())
        rows.append(
            {
                "video_id": draw(st.sampled_from(["a", "b"])),
                "time_s": i / 5,
                "phash": flipped(base, draw(st.integers(0, 8)), i) if known else "",
                "picture": draw(st.sampled_from(["", "p1", "p2", f"only {i}"])),
                "split": draw(st.sampled_from(["train", "val", "test", "guard"])),
            }
        )
    return pd.DataFrame(rows)


def look_alike(one: Any, other: Any, bits: int) -> bool:
    if one.picture and one.picture == other.picture:
        return True
    return bool(one.phash and other.phash) and (int(one.phash, 16) ^ int(other.phash, 16)).bit_count() <= bits


@given(pictures(), st.integers(0, 8))
@hypothesis_settings(max_examples=150, deadline=None)
def test_what_looks_alike_is_what_a_plain_loop_over_all_pairs_finds(frames: pd.DataFrame, bits: int) -> None:
    rows = list(frames.itertuples())
    of, like = (frames["split"] == "train").to_numpy(), frames["split"].isin(["val", "test"]).to_numpy()
    found = alike(frames, of, like, bits)
    asked = [row for row in rows if row.split == "train"]
    held = [row for row in rows if row.split in ("val", "test")]
    assert found.found.tolist() == [any(look_alike(row, other, bits) for other in held) for row in asked]
    for row, twin in zip(asked, found.twin.tolist(), strict=True):
        assert twin == -1 or look_alike(row, rows[twin], bits)


@given(pictures(), st.integers(0, 8))
@hypothesis_settings(max_examples=100, deadline=None)
def test_after_dropping_nothing_looks_alike_across_splits_and_test_frames_all_stay(
    frames: pd.DataFrame, bits: int
) -> None:
    splits, dropped = drop_alike(frames.assign(frame_index=range(len(frames))), frames["split"].tolist(), bits, 0.1)
    after = frames.assign(split=splits)
    assert count_alike(after, ("val", "test"), ("train",), bits) == 0
    assert count_alike(after, ("test",), ("val",), bits) == 0
    assert (after["split"] == "test").sum() == (frames["split"] == "test").sum()
    changed = [row for row, (a, b) in enumerate(zip(frames["split"], splits, strict=True)) if a != b]
    assert changed == sorted(entry["row"] for entry in dropped)
    assert {splits[row] for row in changed} <= {"duplicate"}


@pytest.mark.parametrize(("bits", "dropped"), [(4, True), (5, False)])
def test_a_train_frame_that_looks_like_a_test_frame_of_another_video_is_dropped_and_named(
    tmp_path: Path, bits: int, dropped: bool
) -> None:
    one, two = video("one"), video("two")
    last = one.frames["phash"].iloc[-1]
    split([one, with_hash(two, 3, flipped(last, bits))], tmp_path / "out", TEMPORAL)
    assert sides(tmp_path / "out", "id-two")[3] == ("duplicate" if dropped else "train")
    found = evidence(tmp_path / "out")["near_duplicates"]
    assert found["dropped"] == {"train": int(dropped), "val": 0}
    assert found["of_these_like_another_videos"] == int(dropped)
    if dropped:
        (example,) = found["examples"]
        assert (example["video_id"], example["frame_index"], example["bits"]) == ("id-two", 3, 4)
        assert example["like"] == {"video_id": "id-one", "frame_index": 59, "split": "test"}
    assert no_leakage(read_splits(tmp_path / "out"), TEMPORAL).passed


def test_a_video_that_looks_the_same_all_along_is_corpus_only_with_the_reason(tmp_path: Path) -> None:
    still = video("still", 200)
    frames = still.frames.assign(phash=[flipped(hash_of("scene"), i % 3, i) for i in range(200)])
    still = dataclasses.replace(still, frames=frames)
    summary = split([still], tmp_path / "alone", SplitSettings())
    assert "look like a val or test frame" in summary.corpus_only["still"]
    assert evidence(tmp_path / "alone")["videos"][0]["status"] == "corpus_only"
    gate = enough_samples(read_splits(tmp_path / "alone"), SplitSettings())
    assert not gate.passed
    assert "corpus only" in gate.message
    # In a corpus all its frames train.
    split([still, video("other")], tmp_path / "corpus", TEMPORAL)
    assert set(sides(tmp_path / "corpus", "id-still")) == {"train"}


def test_two_clips_of_one_recording_keep_the_gap_across_both(tmp_path: Path) -> None:
    # Twelve seconds each, the second begins ten seconds later: it opens with the first one's test block.
    one, two = video("one", shows="match"), video("two", start=10.0, shows="match")
    split([one, two], tmp_path / "out", TEMPORAL)
    assert evidence(tmp_path / "out")["overlaps"] == [{"partitions": ["one", "two"], "equal_pictures": 10}]
    table = read_splits(tmp_path / "out")
    moment = table["time_s"] + np.where(table["video_id"] == "id-two", 10.0, 0.0)
    held = moment[table["split"].isin(["val", "test"])].to_numpy()
    train = moment[table["split"] == "train"].to_numpy()
    assert np.abs(held[:, None] - train[None, :]).min() >= 1.0 - 1e-6
    assert evidence(tmp_path / "out")["near_duplicates"]["of_these_beside_a_shared_picture"] > 0


def test_black_pictures_make_no_recording_of_two_videos(tmp_path: Path) -> None:
    members = []
    for name in ("one", "two"):
        frames = video(name).frames.copy()
        frames.loc[:4, "phash"], frames.loc[:4, "picture"] = "", "black"
        members.append(dataclasses.replace(video(name), frames=frames))
    split(members, tmp_path / "out", TEMPORAL)
    assert evidence(tmp_path / "out")["overlaps"] == []
    assert evidence(tmp_path / "out")["near_duplicates"]["dropped"] == {"train": 0, "val": 0}


def test_ten_thousand_frames_are_compared_in_seconds(tmp_path: Path) -> None:
    members = corpus(42, frames=240)
    started = time.process_time()
    split(members, tmp_path / "out", TEMPORAL)
    assert len(read_splits(tmp_path / "out")) == 10_080
    assert time.process_time() - started < 20


def test_the_gate_sees_a_planted_likeness(tmp_path: Path) -> None:
    split([video("one"), video("two")], tmp_path / "out", TEMPORAL)
    table = read_splits(tmp_path / "out")
    test, train = (int(np.flatnonzero(table["split"] == name)[0]) for name in ("test", "train"))
    table.loc[train, "phash"] = flipped(table.loc[test, "phash"], 4)
    gate = no_leakage(table, TEMPORAL)
    assert not gate.passed
    assert (gate.numbers["frames_like_train"], gate.numbers["frames_near_train"]) == (1, 0)
    assert no_leakage(table, SplitSettings(near_duplicate_bits=3)).passed
