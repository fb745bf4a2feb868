from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.splitting import Source, SplitSettings, enough_samples, no_leakage, read_splits, split
from sam2_assets.splitting.evidence import UNUSED, USED
from sam2_assets_tests.splitting.dataset_builder import build_source

SETTINGS = SplitSettings()


def evidence(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "splits.json").read_text())
    return document


@pytest.fixture
def three(tmp_path: Path) -> list[Source]:
    """Ten seconds at 5 fps, one minute at 1 fps, and two seconds that are too short."""
    return [
        build_source(tmp_path / "a", [i / 5 for i in range(50)], video_id="aa"),
        build_source(tmp_path / "b", [float(i) for i in range(60)], video_id="bb"),
        build_source(tmp_path / "c", [i / 8 for i in range(16)], video_id="cc"),
    ]


def test_the_table_lists_every_frame_once_with_its_block(three: list[Source], tmp_path: Path) -> None:
    summary = split(three, tmp_path / "out", SETTINGS)
    table = read_splits(tmp_path / "out")
    assert list(table.columns) == ["video_id", "frame_index", "time_s", "split", "block", "label", "phash", "picture"]
    assert table.groupby("video_id")["frame_index"].apply(list).to_dict() == {
        "aa": list(range(50)),
        "bb": list(range(60)),
        "cc": list(range(16)),
    }
    assert all(block.startswith(f"{video}:") for block, video in zip(table["block"], table["video_id"], strict=True))
    assert table.groupby("block")["split"].nunique().max() == 1
    assert summary.counts == {name: int((table["split"] == name).sum()) for name in (*USED, *UNUSED)}
    assert summary.leakage_frames == 0


def test_a_videos_assignment_does_not_depend_on_the_other_videos(three: list[Source], tmp_path: Path) -> None:
    split(three, tmp_path / "all", SETTINGS)
    split(three[::-1], tmp_path / "turned", SETTINGS)
    together = read_splits(tmp_path / "all")
    for source in three:
        split([source], tmp_path / source.video_id, SETTINGS)
        alone = read_splits(tmp_path / source.video_id)
        pd.testing.assert_frame_equal(
            alone, together[together["video_id"] == source.video_id].reset_index(drop=True), check_exact=True
        )
    for name in ("splits.parquet", "splits.json"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "turned" / name).read_bytes()


def test_a_short_video_trains_whole_in_the_corpus_and_fails_the_gate_alone(three: list[Source], tmp_path: Path) -> None:
    summary = split(three, tmp_path / "corpus", SETTINGS)
    corpus = read_splits(tmp_path / "corpus")
    assert set(corpus.loc[corpus["video_id"] == "cc", "split"]) == {"train"}
    assert list(summary.corpus_only) == ["clip-cc"]
    statuses = {v["video_id"]: (v["status"], v["reason"]) for v in evidence(tmp_path / "corpus")["videos"]}
    assert statuses["aa"] == ("split", None)
    assert statuses["cc"] == ("corpus_only", summary.corpus_only["clip-cc"])
    assert "cannot hold a train, a val and a test block 1 s apart" in summary.corpus_only["clip-cc"]
    assert enough_samples(corpus, SETTINGS).passed
    split([three[2]], tmp_path / "alone", SETTINGS)
    gate = enough_samples(read_splits(tmp_path / "alone"), SETTINGS)
    assert not gate.passed
    assert "val has 0 of 3" in gate.message
    assert "train has" in gate.message


def test_leakage_is_none_beside_a_random_split_that_leaks(three: list[Source], tmp_path: Path) -> None:
    summary = split(three[:1], tmp_path / "out", SETTINGS)
    measured = evidence(tmp_path / "out")["leakage"]
    assert (measured["frames"], measured["test_frames_near_val"], measured["of"]) == (0, 0, 8)
    # at 5 fps every frame of a shuffled split has a training frame within a second
    assert measured["naive_random_split"] == {"frames": 10, "of": 10, "share": 1.0, "near_duplicates": 0}
    assert summary.naive_leakage_share == 1.0


def brute_force(table: pd.DataFrame, gap: float) -> tuple[int, int]:
    """The gate's two numbers by plain loops."""
    rows = list(table.itertuples())
    near_train = sum(
        any(b.split == "train" and b.video_id == a.video_id and abs(a.time_s - b.time_s) < gap - 1e-6 for b in rows)
        for a in rows
        if a.split in ("val", "test")
    )
    near_val = sum(
        any(b.split == "val" and b.video_id == a.video_id and abs(a.time_s - b.time_s) < gap - 1e-6 for b in rows)
        for a in rows
        if a.split == "test"
    )
    return near_train, near_val


def test_the_gate_counts_planted_leaks(three: list[Source], tmp_path: Path) -> None:
    split(three[:2], tmp_path / "out", SETTINGS)
    table = read_splits(tmp_path / "out")
    assert no_leakage(table, SETTINGS).passed
    rng = np.random.default_rng(7)
    for _ in range(10):
        damaged = table.copy()
        chosen = rng.choice(len(table), size=3, replace=False)
        damaged.loc[chosen, "split"] = rng.choice(["train", "val", "test"], size=3)
        gate = no_leakage(damaged, SETTINGS)
        expected = brute_force(damaged, 1.0)
        assert (gate.numbers["frames_near_train"], gate.numbers["test_frames_near_val"]) == expected
        assert gate.passed == (expected == (0, 0))
        assert bool(gate.remedy) != gate.passed


def test_the_gate_refuses_a_wider_gap_than_was_cut_and_a_frame_listed_twice(
    three: list[Source], tmp_path: Path
) -> None:
    split(three[:1], tmp_path / "out", SETTINGS)
    table = read_splits(tmp_path / "out")
    assert not no_leakage(table, SplitSettings(guard_gap_s=1.3)).passed
    again = pd.concat([table, table.iloc[:1]], ignore_index=True)
    gate = no_leakage(again, SETTINGS)
    assert not gate.passed
    assert gate.numbers["repeated_frames"] == 1


def test_frames_at_the_same_time_of_different_videos_are_no_leak() -> None:
    table = pd.DataFrame(
        {"video_id": ["a", "b"], "frame_index": [0, 0], "time_s": [0.0, 0.0], "split": ["train", "test"]}
    )
    assert no_leakage(table, SETTINGS).passed


@pytest.mark.parametrize("short", ["train", "val", "test"])
def test_enough_samples_names_the_split_that_lacks_frames(short: str) -> None:
    counts = {"train": 20, "val": 3, "test": 3} | {short: {"train": 19, "val": 2, "test": 2}[short]}
    splits = [name for name, count in counts.items() for _ in range(count)]
    table = pd.DataFrame({"video_id": "a", "time_s": [i / 5 for i in range(len(splits))], "split": splits})
    gate = enough_samples(table, SETTINGS)
    assert not gate.passed
    assert f"{short} has {counts[short]} of" in gate.message
    assert gate.message.count(" has ") == 1
    full = pd.concat([table, pd.DataFrame({"split": [short]})])
    assert enough_samples(full, SETTINGS).passed


def test_class_balance_and_majority_are_counted_per_split(tmp_path: Path) -> None:
    # A dog leads for the first 40 s, a cat for the last 20: the test split shows cats only.
    labels = [["dog", "cat"] if i < 40 else ["cat"] for i in range(60)]
    source = build_source(tmp_path / "a", [float(i) for i in range(60)], labels=labels)
    summary = split([source], tmp_path / "out", SETTINGS)
    balance = evidence(tmp_path / "out")["class_balance"]
    assert balance["main_object"]["labels"] == {
        "train": {"dog": 40, "cat": 8},
        "val": {"cat": 6},
        "test": {"cat": 6},
    }
    assert balance["all_objects"]["labels"]["train"] == {"cat": 48, "dog": 40}
    # val is 100 % cat where 20 of 60 frames are
    assert balance["main_object"]["max_deviation_points"] == pytest.approx(66.667)
    assert balance["main_object"]["worst"] == {"split": "val", "label": "cat"}
    assert summary.max_deviation_points == pytest.approx(66.667)
    assert evidence(tmp_path / "out")["majority"] == {
        "test_label": "cat",
        "test_share": 1.0,
        "train_label": "dog",
        "train_label_test_share": 0.0,
    }
    assert set(read_splits(tmp_path / "out")["label"][:40]) == {"dog"}


def test_sources_rejections_and_waivers_are_recorded(tmp_path: Path) -> None:
    times = [float(i) for i in range(60)]
    first = build_source(tmp_path / "a", times, video_id="aa", waivers={"overlay": "known", "few": "pilot"})
    rejected = [{"partition": "zz", "reason": "overlay"}, {"partition": "bb", "reason": "empty"}]
    split([first], tmp_path / "out", SETTINGS, rejected=rejected)
    document = evidence(tmp_path / "out")
    assert document["sources"] == [{"video_id": "aa", "partition": "clip-aa", "dataset": {"sha256": "ab" * 32}}]
    assert document["rejected"] == rejected[::-1]
    assert document["waivers"] == [
        {"video_id": "aa", "partition": "clip-aa", "gate": "few", "reason": "pilot"},
        {"video_id": "aa", "partition": "clip-aa", "gate": "overlay", "reason": "known"},
    ]
    assert document["strategy"] == "temporal"
    assert document["ratios"]["wanted"] == {"train": 0.8, "val": 0.1, "test": 0.1}
    assert sum(document["ratios"]["reached"].values()) == pytest.approx(1.0)


@pytest.mark.parametrize("fine_id", ["aa", "other"])
def test_the_same_video_twice_counts_once_so_that_it_cannot_leak_into_itself(tmp_path: Path, fine_id: str) -> None:
    coarse = build_source(tmp_path / "a", [float(i) for i in range(60)], video_id="aa", partition="first", shows="x")
    fine = build_source(tmp_path / "b", [i / 2 for i in range(120)], video_id=fine_id, partition="second", shows="x")
    third = build_source(tmp_path / "c", [float(i) for i in range(60)], video_id="cc", partition="third")
    split([coarse, third, fine], tmp_path / "out", SETTINGS)
    assert read_splits(tmp_path / "out")["video_id"].value_counts().to_dict() == {fine_id: 120, "cc": 60}
    document = evidence(tmp_path / "out")
    assert {source["partition"] for source in document["sources"]} == {"second", "third"}
    (rejected,) = document["rejected"]
    assert rejected["partition"] == "first"
    assert "same video as second" in rejected["reason"]
    assert "60 pictures are equal" in rejected["reason"]


def test_videos_that_look_the_same_between_their_paint_count_once(tmp_path: Path) -> None:
    one = build_source(tmp_path / "a", [float(i) for i in range(60)], video_id="aa", partition="first", shows="x")
    two = build_source(tmp_path / "b", [i / 2 for i in range(120)], video_id="bb", partition="second", shows="y")
    cells = "".join(f"{i % 256:02x}" for i in range(32 * 18))
    looks = {"0": cells, "60": cells}
    split([one, two], tmp_path / "apart", SETTINGS)
    assert evidence(tmp_path / "apart")["rejected"] == []
    alike = [dataclasses.replace(source, appearance=looks) for source in (one, two)]
    split(alike, tmp_path / "out", SETTINGS)
    (rejected,) = evidence(tmp_path / "out")["rejected"]
    assert rejected["partition"] == "first"
    assert "same video as second" in rejected["reason"]


def test_a_few_equal_pictures_do_not_make_two_videos_the_same(tmp_path: Path) -> None:
    # The long ones begin with the same three black pictures of 60; the short one shares one, a fifth of its own.
    one = build_source(tmp_path / "a", [float(i) for i in range(60)], video_id="aa", shows="x")
    other = build_source(tmp_path / "b", [0.0, 1.0, 2.0, *(2.5 + i for i in range(57))], video_id="bb", shows="x")
    short = build_source(tmp_path / "c", [0.0, 0.3, 0.4, 0.6, 0.7], video_id="cc", shows="x")
    split([one, other, short], tmp_path / "out", SETTINGS)
    assert evidence(tmp_path / "out")["rejected"] == []


def test_a_partition_given_twice_is_refused(tmp_path: Path) -> None:
    source = build_source(tmp_path / "a", [float(i) for i in range(60)])
    with pytest.raises(DatasetError) as caught:
        split([source, source], tmp_path / "out", SETTINGS)
    assert caught.value.code == "repeated_partition"


def test_frames_are_taken_in_the_order_of_time_whatever_the_rows_order(tmp_path: Path) -> None:
    times = [float(i) for i in range(60)]
    split([build_source(tmp_path / "a", times[::-1])], tmp_path / "out", SETTINGS)
    table = read_splits(tmp_path / "out")
    assert table["time_s"].is_monotonic_increasing
    assert table["frame_index"].tolist() == list(range(59, -1, -1))
    assert no_leakage(table, SETTINGS).passed


def test_what_cannot_be_split_is_refused(tmp_path: Path) -> None:
    source = build_source(tmp_path / "a", [float(i) for i in range(60)])
    with pytest.raises(SettingsError) as ratios:
        split([source], tmp_path / "out", SplitSettings(train=0.9))
    assert ratios.value.code == "ratios"
    with pytest.raises(DatasetError) as none:
        split([], tmp_path / "out", SETTINGS, rejected=[{"partition": "p", "reason": "r"}])
    assert none.value.code == "no_sources"
    with pytest.raises(DatasetError) as wrong:
        split([Source("other", "p", source.dataset, source.dataset_ref)], tmp_path / "out", SETTINGS)
    assert wrong.value.code == "wrong_dataset"
    with pytest.raises(DatasetError) as missing:
        split([Source("other", "p", tmp_path / "none", {})], tmp_path / "out", SETTINGS)
    assert missing.value.code == "dataset_missing"
    empty = build_source(tmp_path / "empty", [])
    with pytest.raises(DatasetError) as nothing:
        split([empty], tmp_path / "out", SETTINGS)
    assert nothing.value.code == "no_samples"
    with pytest.raises(DatasetError) as unread:
        read_splits(tmp_path / "none")
    assert unread.value.code == "splits_missing"
