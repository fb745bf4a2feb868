"""What a tick of the inbox sensor does, as a pure function: every version once, none missed, work bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_assets.automation.intake import OVERLAP_S, ROUNDS, SETTLE_S, Limits, Memory, Tick, plan_tick
from sam2_assets.inbox import Pairing, Upload, partition_key
from sam2_assets.storage import StoredFile

VIDEO_WITHIN_S = 60.0


def by_name(names: Iterable[str]) -> list[str]:
    """Amazon's order."""
    return sorted(names)


def by_folder(names: Iterable[str]) -> list[str]:
    """SeaweedFS's order: folder by folder."""
    return sorted(names, key=lambda name: name.split("/"))


@dataclass
class World:
    """An inbox with a clock, a sensor that looks at it, and runs that all succeed."""

    listed: object = by_name
    limits: Limits = field(default_factory=Limits)
    now: float = 1_800_000_000.0
    files: dict[str, StoredFile] = field(default_factory=dict)
    arriving: set[str] = field(default_factory=set)
    memory: Memory = field(default_factory=Memory)
    launched: list[tuple[str, str]] = field(default_factory=list)
    run_keys: set[tuple[str, str, float]] = field(default_factory=set)
    imported: dict[str, str] = field(default_factory=dict)
    lookups: int = 0
    versions: int = 0

    def put(self, name: str, *, version: str | None = None, dated: float = 0.0) -> None:
        """A new object; ``dated`` seconds from now, as its storage says."""
        self.versions += 1
        self.files[name] = StoredFile(name, 1, self.now + dated, version or f"v{self.versions}")

    def taken(self, uploads: Sequence[Upload]) -> frozenset[str]:
        self.lookups += len(uploads)
        return frozenset(
            u.partition
            for u in uploads
            if self.imported.get(u.partition) == u.fingerprint()
            or (u.partition, u.fingerprint(), u.touched) in self.run_keys
        )

    def tick(self, after_s: float = 15.0) -> Tick:
        self.now += after_s
        names = self.listed(self.files)  # type: ignore[operator]
        position = names.index(self.memory.after) + 1 if self.memory.after in names else 0
        if self.memory.after and self.memory.after not in names:
            # The object after which to go on was deleted: S3 goes on behind its name all the same.
            everything = self.listed([*names, self.memory.after])  # type: ignore[operator]
            position = everything.index(self.memory.after)
        tick = plan_tick(
            (self.files[name] for name in names[position:]),
            self.memory,
            self.taken,
            now=self.now,
            arriving=self.arriving,
            video_within_s=VIDEO_WITHIN_S,
            limits=self.limits,
        )
        for upload in tick.launches:
            self.launched.append((upload.partition, upload.fingerprint()))
            self.imported[upload.partition] = upload.fingerprint()
            self.run_keys.add((upload.partition, upload.fingerprint(), upload.touched))
        self.memory = Memory.read(tick.memory.model_dump_json(exclude_defaults=True))
        return tick

    def keys(self, tick: Tick) -> list[str]:
        return [upload.object_key for upload in tick.launches]


def test_a_new_export_with_its_video_is_launched_once() -> None:
    world = World()
    world.put("a.mp4")
    world.put("a.zip")
    assert world.keys(world.tick()) == ["a.zip"]
    quiet = world.tick()
    assert (quiet.launches, quiet.waiting) == ((), ())


def test_a_quiet_inbox_costs_no_look_up_and_leaves_a_small_cursor() -> None:
    world = World()
    for i in range(500):
        world.put(f"{i:04}.mp4")
        world.put(f"{i:04}.zip")
    while world.tick().launches:
        pass
    assert len(world.launched) == 500
    world.tick(after_s=2 * OVERLAP_S)
    world.lookups = 0
    world.tick()
    assert world.lookups < 500 / ROUNDS * 3
    assert len(world.memory.model_dump_json(exclude_defaults=True)) < 200


@pytest.mark.parametrize("touched", ["a.zip", "a.mp4", "a.settings.yaml"])
def test_a_change_of_the_export_or_of_what_belongs_to_it_is_news(touched: str) -> None:
    world = World()
    for name in ("a.zip", "a.mp4", "a.settings.yaml", "b.zip", "b.mp4"):
        world.put(name)
    world.tick()
    world.put(touched)
    assert world.keys(world.tick()) == ["a.zip"]
    assert not world.tick().launches


def test_the_video_may_come_after_the_zip_and_there_is_one_run_with_it() -> None:
    world = World()
    world.put("a.zip")
    tick = world.tick()
    assert not tick.launches
    assert "no video yet" in tick.waiting[0][1]
    world.put("a.mp4")
    (upload,) = world.tick().launches
    assert upload.video is not None
    assert not world.tick(after_s=1000).launches


def test_a_zip_alone_is_launched_when_no_video_came() -> None:
    world = World()
    world.put("a.zip")
    assert not world.tick(after_s=VIDEO_WITHIN_S - 1).launches
    (upload,) = world.tick(after_s=1).launches
    assert upload.video is None


@pytest.mark.parametrize("name", ["a.zip", "a.mp4", "a.MOV", "a.settings.yaml"])
def test_an_upload_in_parts_that_is_under_way_holds_its_export_back(name: str) -> None:
    world = World()
    world.put("a.zip")
    world.put("a.mp4")
    world.put("b.zip")
    world.put("b.mp4")
    world.arriving = {name}
    tick = world.tick(after_s=1000)
    assert world.keys(tick) == ["b.zip"]
    assert [(u.object_key, reason) for u, reason in tick.waiting] == [("a.zip", f"{name} is being uploaded")]
    world.arriving = set()
    assert world.keys(world.tick()) == ["a.zip"]


def test_an_object_dated_to_the_beginning_of_a_long_upload_is_seen_when_it_is_complete() -> None:
    world = World()
    world.tick()
    world.arriving = {"a.zip", "b.zip"}
    world.tick(after_s=3 * OVERLAP_S)
    world.arriving = {"b.zip"}
    world.put("a.zip", dated=-3 * OVERLAP_S)
    assert world.keys(world.tick()) == ["a.zip"]


def test_an_old_file_that_nobody_saw_coming_is_found_within_one_round() -> None:
    world = World()
    for i in range(20):
        world.put(f"{i}.zip")
    world.tick(after_s=100)
    world.tick(after_s=10 * OVERLAP_S)
    world.put("late.zip", dated=-5 * OVERLAP_S)
    found = [world.keys(world.tick()) for _ in range(ROUNDS)]
    assert [keys for keys in found if keys] == [["late.zip"]]


def test_a_file_dated_in_the_future_waits_for_quiet_and_hides_nobody() -> None:
    world = World()
    world.put("future.zip", dated=1e8)
    assert not world.tick().launches
    world.put("now.zip")
    launched = [key for _ in range(5) for key in world.keys(world.tick(after_s=30))]
    assert sorted(launched) == ["future.zip", "now.zip"]
    world.put("later.zip")
    assert world.keys(world.tick(after_s=100)) == ["later.zip"]


def test_a_replacement_within_the_same_second_is_news() -> None:
    world = World()
    world.put("a.zip")
    world.put("a.mp4")
    world.tick()
    world.put("a.zip", dated=-15.0)
    assert world.keys(world.tick()) == ["a.zip"]


def test_identical_bytes_again_are_no_news_and_going_back_is() -> None:
    world = World()
    world.put("a.mp4", version="film")
    world.put("a.zip", version="one")
    world.tick()
    world.put("a.zip", version="one")
    assert not world.tick().launches
    world.put("a.zip", version="two")
    assert world.tick().launches
    world.put("a.zip", version="one")
    assert world.tick().launches


@pytest.mark.parametrize("young", ["a.zip", "a.mp4", "a.settings.yaml"])
def test_a_file_still_being_copied_waits_and_is_not_forgotten(young: str) -> None:
    world = World()
    for name in ("a.zip", "a.mp4", "a.settings.yaml"):
        world.put(name, dated=-100)
    world.put(young, dated=15 - SETTLE_S + 0.1)
    tick = world.tick()
    assert (tick.launches, tick.waiting[0][1]) == ((), "still being copied")
    assert world.keys(world.tick()) == ["a.zip"]


def test_a_flood_is_taken_in_portions_of_bounded_work_without_gap_or_repetition() -> None:
    world = World(limits=Limits(files=70, lookups=40, launches=20))
    names = [f"{i:03}" for i in range(200)]
    for name in names:
        world.put(f"{name}.mp4")
        world.put(f"{name}.zip")
    ticks = []
    while not ticks or ticks[-1].launches or not ticks[-1].whole:
        world.lookups = 0
        ticks.append(world.tick())
        assert len(ticks[-1].launches) <= 20
        assert world.lookups <= 40
    assert sorted(world.launched) == sorted(set(world.launched))
    assert {partition for partition, _ in world.launched} == {partition_key(f"{name}.zip") for name in names}


def test_a_sensor_that_lost_its_cursor_launches_nothing_again() -> None:
    world = World()
    for name in ("a.zip", "b.zip"):
        world.put(name)
    world.tick(after_s=100)
    world.memory = Memory.read('{"cursor": "of an older version"}')
    assert not world.tick().launches


NAMES = [
    f"{stem}{suffix}"
    for stem in ("a", "a.b", "a-b", "a/b", "a b", "A")
    for suffix in (".zip", ".mp4", ".settings.yaml")
] + ["a.ZIP", "a.MOV", "notes.txt", ".hidden.zip"]
EVENTS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.sampled_from([0.0, -3.0, 3.0, -2 * OVERLAP_S, 1e6])),
    st.tuples(st.just("again"), st.sampled_from(NAMES), st.just(0.0)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just(0.0)),
    st.tuples(st.just("begin"), st.sampled_from(NAMES), st.just(0.0)),
    st.tuples(st.just("complete"), st.sampled_from(NAMES), st.sampled_from([0.0, -2 * OVERLAP_S])),
    st.tuples(st.just("forget"), st.just(""), st.just(0.0)),
    st.tuples(st.just("tick"), st.just(""), st.sampled_from([1.0, 15.0, 70.0, 2 * OVERLAP_S])),
)


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=25),
    listed=st.sampled_from([by_name, by_folder]),
    limits=st.builds(Limits, files=st.integers(1, 9), lookups=st.integers(1, 5), launches=st.integers(1, 3)),
)
def test_whatever_happens_every_version_that_stays_is_launched_and_none_twice(
    events: list[tuple[str, str, float]], listed: object, limits: Limits
) -> None:
    world = World(listed=listed, limits=limits)
    for what, name, seconds in events:
        if what == "put":
            world.put(name, dated=seconds)
        elif what == "again" and name in world.files:
            world.put(name, version=world.files[name].version)
        elif what == "remove":
            world.files.pop(name, None)
        elif what == "begin":
            world.arriving.add(name)
        elif what == "complete" and name in world.arriving:
            world.arriving.remove(name)
            world.put(name, dated=seconds)
        elif what == "forget":
            world.memory = Memory()
        elif what == "tick":
            world.tick(after_s=seconds)
    world.arriving.clear()
    passes = 0
    while passes < ROUNDS + 5:
        passes += world.tick(after_s=30).whole

    pairing = Pairing()
    there = [u for name in by_name(world.files) for u in pairing.add(world.files[name])] + pairing.end()
    for upload in there:
        assert world.imported.get(upload.partition) == upload.fingerprint(), upload.object_key
    for partition in {partition for partition, _ in world.launched}:
        versions = [fingerprint for name, fingerprint in world.launched if name == partition]
        assert all(a != b for a, b in pairwise(versions)), "the same version twice in a row"
