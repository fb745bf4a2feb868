"""The store keeps its promises: complete or absent, never changed, damage is noticed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from sam2_assets.errors import StoreError
from sam2_assets.store import ArtifactRef, Published, Store, write_atomically


def publish(store: Store, text: str = "hello", run: str = "run1") -> Published:
    with store.draft(["corpus", "splits"], None, run) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "a.txt").write_text(text)
    assert draft.published is not None
    return draft.published


def test_a_published_artifact_opens_with_what_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ref = publish(store)
    assert (store.open(ref) / "sub" / "a.txt").read_text() == "hello"
    assert ref.path == "artifacts/corpus/splits/run1"
    assert (ref.files, ref.size_bytes) == (1, 5)


def test_the_same_bytes_have_the_same_identity_whichever_run_made_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert publish(store).sha256 == publish(store, run="run2").sha256
    assert publish(store).sha256 != publish(store, "other", run="run3").sha256


def test_a_second_artifact_of_one_run_leaves_the_first_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = publish(store, "one"), publish(store, "two")
    assert first.path != second.path
    assert (store.open(first) / "sub" / "a.txt").read_text() == "one"


def test_a_draft_that_raises_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def draft_and_fail() -> None:
        with store.draft(["a"], "p", "r") as draft:
            (draft.folder / "x").write_text("x")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        draft_and_fail()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_inputs_are_recorded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    upstream = publish(store)
    with store.draft(["b"], "p", "r") as draft:
        draft.inputs["splits"] = ArtifactRef(upstream.path, upstream.sha256)
        (draft.folder / "x").write_text("x")
    assert draft.published is not None
    assert store.inputs(draft.published) == {"splits": ArtifactRef(upstream.path, upstream.sha256)}


def test_clock_times_are_kept_and_guarded_but_are_no_part_of_the_identity(tmp_path: Path) -> None:
    store, made = Store(tmp_path), []
    for run, seconds in (("r1", "1.0"), ("r2", "2.0")):
        with store.draft(["a"], None, run) as draft:
            (draft.folder / "x").write_text("x")
            (draft.folder / "timings.json").write_text(seconds)
            draft.measured.add("timings.json")
        assert draft.published is not None
        made.append(draft.published)
    assert made[0].sha256 == made[1].sha256
    assert (store.open(made[1]) / "timings.json").read_text() == "2.0"
    (tmp_path / made[1].path / "timings.json").write_text("3.0")
    with pytest.raises(StoreError, match=r"timings\.json"):
        store.open(made[1])


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    ref = publish(store)
    folder = tmp_path / ref.path
    if damage == "change":
        (folder / "sub" / "a.txt").write_text("hellO")
    elif damage == "remove":
        (folder / "sub" / "a.txt").unlink()
    else:
        (folder / "sub" / "b.txt").write_text("more")
    with pytest.raises(StoreError, match=r"sub/[ab]\.txt") as caught:
        store.open(ref)
    assert caught.value.code == "artifact_damaged"


def test_a_missing_artifact_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).open(ArtifactRef("artifacts/a/r", "0" * 64))
    assert caught.value.code == "artifact_missing"


def test_an_empty_draft_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing was written"), Store(tmp_path).draft(["a"], None, "r"):
        pass


def test_a_full_disk_is_said_plainly_and_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="no room left") as caught, store.draft(["a"], None, "r"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.code == "disk_full"
    assert not list((tmp_path / "artifacts" / "a").iterdir())


def _die_while_drafting(root: Path) -> None:
    with Store(root).draft(["a"], "p", "run") as draft:
        (draft.folder / "half").write_text("x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_publishes_nothing_and_its_rerun_clears_up(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_while_drafting, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    place = tmp_path / "artifacts" / "a" / "p"
    assert [p.name.startswith(".draft-") for p in place.iterdir()] == [True]
    with Store(tmp_path).draft(["a"], "p", "run") as draft:
        (draft.folder / "whole").write_text("x")
    assert [p.name for p in place.iterdir()] == ["run"]


def test_small_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]
