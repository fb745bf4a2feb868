from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sam2_assets.splitting import Previous, SplitSettings, no_leakage, read_splits, split
from sam2_assets.splitting.by_video import Unit, deal
from sam2_assets_tests.splitting.members import corpus, video


def evidence(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "splits.json").read_text())
    return document


def sides_of(folder: Path) -> dict[str, str]:
    """Partition to side, of a corpus dealt by video; taken from the frames, not from what the evidence claims."""
    table = read_splits(folder)
    return {
        video_id.removeprefix("id-"): side
        for video_id, own in table[table["split"].isin(["train", "val", "test"])].groupby("video_id")
        for side in set(own["split"])
    }


@pytest.mark.parametrize(
    ("videos", "asked", "followed", "because"),
    [
        (1, "auto", "temporal", "1 video: by video needs 10"),
        (2, "auto", "temporal", "2 videos: by video needs 10"),
        (5, "auto", "temporal", "5 videos: by video needs 10"),
        (10, "auto", "video", ""),
        (1, "video", "temporal", "1 video cannot fill train, val and test"),
        (2, "video", "temporal", "2 videos cannot fill train, val and test"),
        (5, "video", "video", ""),
        (5, "temporal", "temporal", ""),
    ],
)
def test_a_corpus_is_split_as_its_number_of_videos_allows_and_says_why(
    tmp_path: Path, videos: int, asked: Any, followed: str, because: str
) -> None:
    split(corpus(videos), tmp_path, SplitSettings(strategy=asked), corpus=True)
    found = evidence(tmp_path)
    assert (found["strategy"], found["strategy_asked"]) == (followed, asked)
    assert because in found["strategy_reason"]
    assert bool(found["strategy_reason"]) == bool(because)
    counts = Counter(sides_of(tmp_path).values()) if followed == "video" else found["counts"]
    assert all(counts[name] > 0 for name in ("train", "val", "test"))


def test_one_video_is_cut_by_time_whatever_a_corpus_would_do(tmp_path: Path) -> None:
    split([video("one")], tmp_path, SplitSettings(strategy="auto"))
    assert (evidence(tmp_path)["strategy"], evidence(tmp_path)["strategy_reason"]) == ("temporal", "")


def test_by_video_holds_whole_videos_back_near_the_ratios_with_labels_balanced(tmp_path: Path) -> None:
    split(corpus(40), tmp_path, SplitSettings())
    sides = Counter(sides_of(tmp_path).values())
    assert sum(sides.values()) == 40  # no video on two sides
    found = evidence(tmp_path)
    assert found["class_balance"]["balanced"]
    for name, wanted in found["ratios"]["wanted"].items():
        assert abs(found["ratios"]["reached"][name] - wanted) <= 0.05 + 1e-9
    assert found["counts"]["guard"] == 0
    assert {entry["status"] for entry in found["videos"]} == {"whole: train", "whole: val", "whole: test"}
    blocks = read_splits(tmp_path).groupby("video_id")["block"].nunique()
    assert set(blocks) == {1}  # the unit of the intervals is the video


units = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 4)), min_size=3, max_size=25)


@given(units, st.integers(0, 3))
@hypothesis_settings(max_examples=60, deadline=None)
def test_dealing_fills_every_side_and_moves_nothing_that_has_one(sizes: list[tuple[int, int]], seed: int) -> None:
    made = [Unit(f"u{i:02d}", size, Counter({f"c{label}": size})) for i, (size, label) in enumerate(sizes)]
    settings = SplitSettings(seed=seed)
    dealt = deal(made, {}, settings)
    assert set(dealt) == {unit.name for unit in made}
    assert set(dealt.values()) == {"train", "val", "test"}
    assert deal(made[::-1], {}, settings) == dealt
    more = [*made, Unit("new", 100, Counter({"c0": 100}))]
    after = deal(more, dealt, settings)
    assert {name: after[name] for name in dealt} == dealt


def test_videos_stay_where_they_are_when_others_arrive_or_leave(tmp_path: Path) -> None:
    members, before, kept = corpus(30), None, {}
    for count in (12, 13, 20, 30):
        folder = tmp_path / str(count)
        summary = split(members[:count], folder, SplitSettings(), previous=before)
        assert {name: side for name, side in sides_of(folder).items() if name in kept} == kept
        assert summary.moved == 0
        before, kept = Previous.read(folder), sides_of(folder)
    reached = evidence(tmp_path / "30")["ratios"]["reached"]
    assert all(abs(reached[name] - share) <= 0.06 for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)))
    # With too few left for auto to begin with, whole videos stay held back: a tested one is never trained.
    rest = [member for member in members if sides_of(tmp_path / "30")[member.partition] != "train"]
    split([*rest, members[0], members[1]], tmp_path / "few", SplitSettings(), previous=before)
    assert "kept from the version before" in evidence(tmp_path / "few")["strategy_reason"]
    held = sides_of(tmp_path / "few")
    assert all(held[member.partition] == sides_of(tmp_path / "30")[member.partition] for member in rest)


def test_a_new_number_for_resplit_or_another_seed_deals_anew(tmp_path: Path) -> None:
    members = corpus(20)
    split(members, tmp_path / "first", SplitSettings())
    before = Previous.read(tmp_path / "first")
    split(members[::-1], tmp_path / "same", SplitSettings(), previous=before)
    for name in ("splits.parquet", "splits.json", "members/videos.parquet", "members/frames.parquet"):
        assert (tmp_path / "same" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    other = split(members, tmp_path / "seed", SplitSettings(seed=5), previous=before)
    assert sides_of(tmp_path / "seed") != sides_of(tmp_path / "first")
    assert other.moved > 0
    # An unbalanced deal, kept until someone asks for a new one.
    grown = [*members, *(video(f"w{i}", 60, labels="class 9") for i in range(10))]
    split(grown, tmp_path / "grown", SplitSettings(), previous=before)
    split(grown, tmp_path / "resplit", SplitSettings(resplit=1), previous=before)
    split(grown, tmp_path / "fresh", SplitSettings(resplit=1))
    assert sides_of(tmp_path / "resplit") == sides_of(tmp_path / "fresh")


def test_a_copy_under_another_name_and_a_clip_of_the_recording_stay_on_its_side(tmp_path: Path) -> None:
    members = corpus(12)
    split(members, tmp_path / "first", SplitSettings())
    before = Previous.read(tmp_path / "first")
    sides = sides_of(tmp_path / "first")
    tested = next(name for name, side in sides.items() if side == "test")
    finer = video("copy", 120, fps=10.0, shows=tested)  # more frames: it is used instead
    clip = video("clip", 60, start=8.0, shows=tested)
    split([*members, finer, clip], tmp_path / "out", SplitSettings(), previous=before)
    now = sides_of(tmp_path / "out")
    assert tested not in now
    assert (now["copy"], now["clip"]) == ("test", "test")
    (rejected,) = evidence(tmp_path / "out")["rejected"]
    assert "same video as copy" in rejected["reason"]


def test_a_video_keeps_its_side_under_another_partition_and_annotated_again(tmp_path: Path) -> None:
    members = corpus(20)
    split(members[8:], tmp_path / "first", SplitSettings())
    split(members, tmp_path / "grown", SplitSettings(), previous=Previous.read(tmp_path / "first"))
    before, sides = Previous.read(tmp_path / "grown"), sides_of(tmp_path / "grown")
    split(members, tmp_path / "anew", SplitSettings())
    assert sides_of(tmp_path / "anew") != sides  # dealt together they would lie elsewhere
    for change in ("partition", "video_id"):
        renamed = [dataclasses.replace(m, **{change: f"id-new-{m.partition}"}) for m in members]
        split(renamed, tmp_path / change, SplitSettings(), previous=before)
        now = {name.removeprefix("new-"): side for name, side in sides_of(tmp_path / change).items()}
        assert now == sides


def test_a_corpus_that_began_by_time_stays_so_until_a_resplit_is_asked(tmp_path: Path) -> None:
    members = corpus(12)
    split(members[:9], tmp_path / "nine", SplitSettings(), corpus=True)
    before = Previous.read(tmp_path / "nine")
    summary = split(members, tmp_path / "twelve", SplitSettings(), corpus=True, previous=before)
    assert (summary.strategy, summary.moved) == ("temporal", 0)
    assert "raise splitting.resplit to 1" in summary.strategy_reason
    asked = split(members, tmp_path / "asked", SplitSettings(resplit=1), corpus=True, previous=before)
    assert (asked.strategy, asked.strategy_reason) == ("video", "")
    assert asked.moved > 0
    # Whoever names a strategy has asked as well.
    named = split(members, tmp_path / "named", SplitSettings(strategy="video"), corpus=True, previous=before)
    assert named.strategy == "video"
    chosen = split(members[:9], tmp_path / "time", SplitSettings(strategy="temporal"), corpus=True)
    after = Previous.read(tmp_path / "time")
    free = split(members, tmp_path / "free", SplitSettings(), corpus=True, previous=after)
    assert (chosen.strategy, free.strategy) == ("temporal", "video")


def in_thirds() -> list[str]:
    """One class at a time: where blocks lie decides which classes they hold."""
    return ["dog"] * 100 + ["cat"] * 100 + ["cow"] * 100


def test_stratified_balances_labels_within_five_points_where_time_alone_does_not(tmp_path: Path) -> None:
    members = [video(f"v{i}", 300, fps=10.0, labels=in_thirds()[i * 50 :] + in_thirds()[: i * 50]) for i in range(6)]
    split(members, tmp_path / "time", SplitSettings(strategy="temporal"))
    split(members, tmp_path / "strata", SplitSettings(strategy="stratified"))
    by_time, strata = evidence(tmp_path / "time"), evidence(tmp_path / "strata")
    assert strata["class_balance"]["main_object"]["max_deviation_points"] <= 5
    assert strata["class_balance"]["balanced"]
    single = video("alone", 300, fps=10.0, labels=in_thirds())
    split([single], tmp_path / "alone", SplitSettings())
    note = evidence(tmp_path / "alone")["class_balance"]["note"]
    assert "not within 5 points" in note
    assert "stratified would have" in note
    for folder in ("time", "strata"):
        assert no_leakage(read_splits(tmp_path / folder), SplitSettings()).passed
    assert by_time["counts"]["train"] > 0


@st.composite
def labelled(draw: st.DrawFn) -> list[Any]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        frames = draw(st.integers(1, 120))
        runs = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
        labels = [runs[i * len(runs) // frames] for i in range(frames)]
        made.append(video(f"v{number}", frames, fps=draw(st.sampled_from([2.0, 5.0, 24.0])), labels=labels))
    return made


@given(labelled(), st.sampled_from([0.04, 0.5, 1.0]), st.integers(1, 3), st.sampled_from([0.1, 0.5]))
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_stratified_split_never_leaks_and_is_never_less_balanced_than_one_by_time(
    tmp_path_factory: pytest.TempPathFactory, members: list[Any], gap: float, segments: int, kept: float
) -> None:
    folder = tmp_path_factory.mktemp("strata")
    settings = SplitSettings(strategy="stratified", guard_gap_s=gap, segments=segments, min_kept_share=kept)
    split(members, folder, settings)
    table = read_splits(folder)
    assert no_leakage(table, settings).passed
    for video_id, own in table.groupby("video_id"):
        sides = set(own["split"]) - {"guard"}
        assert sides in ({"train"}, {"train", "val", "test"}), video_id


def test_a_stratified_cut_stays_when_others_arrive(tmp_path: Path) -> None:
    settings = SplitSettings(strategy="stratified")
    one, two = (video(f"v{i}", 300, fps=10.0, labels=in_thirds()) for i in range(2))
    split([one], tmp_path / "one", settings, corpus=True)
    before = Previous.read(tmp_path / "one")
    summary = split([one, two], tmp_path / "two", settings, corpus=True, previous=before)
    old, new = read_splits(tmp_path / "one"), read_splits(tmp_path / "two")
    assert new.loc[new["video_id"] == one.video_id, "split"].tolist() == old["split"].tolist()
    assert summary.moved == 0


def test_a_random_split_leaks_and_its_gate_opens_only_with_a_reason_that_is_recorded(tmp_path: Path) -> None:
    settings = SplitSettings(strategy="random")
    split([video("one", 100)], tmp_path / "out", settings)
    table = read_splits(tmp_path / "out")
    assert Counter(table["split"]) == {"train": 80, "val": 10, "test": 10}
    gate = no_leakage(table, settings)
    assert not gate.passed
    assert gate.numbers["frames_near_train"] == 20
    assert "splitting.leakage_waiver" in gate.remedy
    assert evidence(tmp_path / "out")["waivers"] == []
    waived = SplitSettings(strategy="random", leakage_waiver="a comparison with  the authors")
    split([video("one", 100)], tmp_path / "waived", waived)
    assert no_leakage(read_splits(tmp_path / "waived"), waived).passed
    assert no_leakage(table, waived).message.startswith("waived: a comparison with the authors (")
    (recorded,) = evidence(tmp_path / "waived")["waivers"]
    assert (recorded["partition"], recorded["gate"]) == ("one", "no_leakage")
    assert recorded["reason"] == "a comparison with the authors"
    # A waiver that nothing needs is not printed: the card would speak of leakage that is not there.
    split([video("one", 100)], tmp_path / "clean", SplitSettings(leakage_waiver="just in case"))
    assert evidence(tmp_path / "clean")["waivers"] == []


def test_a_cap_thins_the_train_frames_of_long_videos_evenly(tmp_path: Path) -> None:
    members = [video("long", 400), video("short", 60)]
    split(members, tmp_path / "all", SplitSettings(strategy="temporal"))
    split(members, tmp_path / "capped", SplitSettings(strategy="temporal", max_train_frames_per_video=50))
    before, table = read_splits(tmp_path / "all"), read_splits(tmp_path / "capped")
    counts = table[table["split"] == "train"].groupby("video_id").size().to_dict()
    assert counts == {
        "id-long": 50,
        "id-short": int(((before["split"] == "train") & (before["video_id"] == "id-short")).sum()),
    }
    kept = table.loc[(table["split"] == "train") & (table["video_id"] == "id-long"), "frame_index"].to_numpy()
    assert np.ptp(np.diff(kept)) <= 1
    held = before["split"].isin(["val", "test"])
    assert (table.loc[held, "split"] == before.loc[held, "split"]).all()
    assert evidence(tmp_path / "capped")["counts"]["over_cap"] > 0


def test_labels_of_several_videos_that_look_like_one_class_come_with_the_map_that_joins_them(tmp_path: Path) -> None:
    members = [video("a", labels="dog"), video("b", labels="Dogs"), video("c", labels="dog"), video("d", labels="cat")]
    split(members, tmp_path, SplitSettings(), label_map={"cat": "Katze", "dog": "dog"})
    found = evidence(tmp_path)["labels"]
    assert found["near_same"] == [{"labels": {"Dogs": ["b"], "dog": ["a", "c"]}, "map_to": "dog"}]
    assert found["suggested_map"] == {"Dogs": "dog"}
    assert found["not_mapped"] == {"d": {"cat": "Katze"}}


def test_labels_that_are_held_back_but_never_trained_are_named(tmp_path: Path) -> None:
    members = [video("a", labels=["dog"] * 50 + ["cat"] * 10)]
    split(members, tmp_path, SplitSettings())
    assert evidence(tmp_path)["class_balance"]["held_but_not_trained"] == ["cat"]
