"""The store keeps its promises on a folder and on S3: complete or absent, never changed, damage is noticed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from sam2_assets.errors import StoreError
from sam2_assets.storage import FolderStorage, S3Storage, Storage
from sam2_assets.storage.folder import write_atomically
from sam2_assets.store import ArtifactRef, Published, Store


def overwrite(storage: Storage, name: str, data: bytes) -> None:
    """As somebody would who goes round the store."""
    storage.write(name, data)
    for copy in Path(os.environ.get("SAM2_ASSETS_CACHE", "nowhere")).rglob(Path(name).name):
        copy.unlink()


def publish(store: Store, text: str = "hello", run: str = "run1") -> Published:
    with store.draft(["corpus", "splits"], None, run) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "a.txt").write_text(text)
    assert draft.published is not None
    return draft.published


def test_a_published_artifact_opens_with_what_was_written(storage: Storage) -> None:
    store = Store(storage)
    ref = publish(store)
    assert (store.open(ref) / "sub" / "a.txt").read_text() == "hello"
    assert ref.path == "artifacts/corpus/splits/run1"
    assert (ref.files, ref.size_bytes) == (1, 5)


def test_the_same_bytes_have_the_same_identity_whichever_run_made_them(storage: Storage) -> None:
    store = Store(storage)
    assert publish(store).sha256 == publish(store, run="run2").sha256
    assert publish(store).sha256 != publish(store, "other", run="run3").sha256


def test_a_second_artifact_of_one_run_leaves_the_first_alone(storage: Storage) -> None:
    store = Store(storage)
    first, second = publish(store, "one"), publish(store, "two")
    assert first.path != second.path
    assert (store.open(first) / "sub" / "a.txt").read_text() == "one"


def test_a_draft_that_raises_leaves_nothing(storage: Storage) -> None:
    store = Store(storage)

    def draft_and_fail() -> None:
        with store.draft(["a"], "p", "r") as draft:
            (draft.folder / "x").write_text("x")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        draft_and_fail()
    assert not list(storage.list())


def test_inputs_are_recorded(storage: Storage) -> None:
    store = Store(storage)
    upstream = publish(store)
    with store.draft(["b"], "p", "r") as draft:
        draft.inputs["splits"] = ArtifactRef(upstream.path, upstream.sha256)
        (draft.folder / "x").write_text("x")
    assert draft.published is not None
    assert store.inputs(draft.published) == {"splits": ArtifactRef(upstream.path, upstream.sha256)}


def test_clock_times_are_kept_and_guarded_but_are_no_part_of_the_identity(storage: Storage) -> None:
    store, made = Store(storage), []
    for run, seconds in (("r1", "1.0"), ("r2", "2.0")):
        with store.draft(["a"], None, run) as draft:
            (draft.folder / "x").write_text("x")
            (draft.folder / "timings.json").write_text(seconds)
            draft.measured.add("timings.json")
        assert draft.published is not None
        made.append(draft.published)
    assert made[0].sha256 == made[1].sha256
    assert (store.open(made[1]) / "timings.json").read_text() == "2.0"
    overwrite(storage, f"{made[1].path}/timings.json", b"3.0")
    with pytest.raises(StoreError, match=r"timings\.json"):
        store.open(made[1])


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_damage_in_a_folder_is_named(tmp_path: Path, damage: str) -> None:
    store = Store(FolderStorage(tmp_path))
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


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_object_is_named_by_its_address(bucket: str, damage: str) -> None:
    storage = S3Storage(bucket, "")
    store = Store(storage)
    ref = publish(store)
    name = f"{ref.path}/sub/a.txt"
    if damage == "change":
        storage.write(name, b"hellO")
    else:
        storage.remove(name)
    for read in (lambda: store.open(ref), lambda: store.open_file(ref, "sub/a.txt")):
        with pytest.raises(StoreError, match=f"s3://{bucket}/{name}") as caught:
            read()
        assert caught.value.code == "artifact_damaged"


def test_a_damaged_copy_in_the_cache_is_fetched_again(bucket: str) -> None:
    store = Store(S3Storage(bucket, ""))
    ref = publish(store)
    copy = store.open(ref) / "sub" / "a.txt"
    copy.write_text("hellO")
    assert (store.open(ref) / "sub" / "a.txt").read_text() == "hello"
    copy.write_text("hellO")
    assert store.open_file(ref, "sub/a.txt").read_text() == "hello"


def test_one_file_is_opened_without_fetching_the_others(bucket: str) -> None:
    store = Store(S3Storage(bucket, ""))
    with store.draft(["a"], None, "r") as draft:
        (draft.folder / "small").write_text("s")
        (draft.folder / "large").write_text("l" * 1000)
    assert draft.published is not None
    folder = store.open_file(draft.published, "small").parent
    assert [p.name for p in folder.iterdir()] == ["small"]


def test_a_missing_artifact_is_a_typed_error(storage: Storage) -> None:
    with pytest.raises(StoreError) as caught:
        Store(storage).open(ArtifactRef("artifacts/a/r", "0" * 64))
    assert caught.value.code == "artifact_missing"


def test_an_empty_draft_is_refused(storage: Storage) -> None:
    with pytest.raises(StoreError, match="nothing was written"), Store(storage).draft(["a"], None, "r"):
        pass


def test_a_full_disk_is_said_plainly_and_leaves_nothing(storage: Storage) -> None:
    store = Store(storage)
    with pytest.raises(StoreError, match="no room left") as caught, store.draft(["a"], None, "r"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.code == "disk_full"
    assert not list(storage.list())


def _die_while_drafting(root: Path) -> None:
    with Store(FolderStorage(root)).draft(["a"], "p", "run") as draft:
        (draft.folder / "half").write_text("x" * 1000)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_publishes_nothing_and_its_rerun_clears_up(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_while_drafting, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    place = tmp_path / "artifacts" / "a" / "p"
    assert [p.name.startswith(".draft-") for p in place.iterdir()] == [True]
    with Store(FolderStorage(tmp_path)).draft(["a"], "p", "run") as draft:
        (draft.folder / "whole").write_text("x")
    assert [p.name for p in place.iterdir()] == ["run"]


def _die_while_uploading(bucket: str) -> None:
    storage = S3Storage(bucket, "")
    real, uploads = storage.put, iter(range(10))

    def put(path: Path, name: str) -> None:
        if next(uploads) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, name)

    storage.put = put  # type: ignore[method-assign]
    with Store(storage).draft(["a"], "p", "run") as draft:
        for i in range(5):
            (draft.folder / f"part-{i}").write_text("x")


def test_a_writer_killed_while_uploading_publishes_nothing_and_its_rerun_does(bucket: str) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_while_uploading, args=(bucket,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    storage = S3Storage(bucket, "")
    assert storage.stat("artifacts/a/p/run/manifest.json") is None
    with pytest.raises(StoreError, match="not there"):
        Store(storage).open(ArtifactRef("artifacts/a/p/run", "0" * 64))
    with Store(storage).draft(["a"], "p", "run") as draft:
        (draft.folder / "whole").write_text("x")
    assert draft.published is not None
    assert [p.name for p in Store(storage).open(draft.published).iterdir()] == ["whole"]


def test_of_two_writers_of_one_place_one_wins_and_the_other_is_told(storage: Storage) -> None:
    drafts = [storage.draft("artifacts/a/r", name) for name in ("one", "two")]
    for draft in drafts:
        (draft / "manifest.json").write_text(draft.name)
    assert [storage.publish(draft, "artifacts/a/r", "manifest.json") for draft in drafts] == [True, False]
    assert storage.read("artifacts/a/r/manifest.json") == drafts[0].name.encode()


def test_steps_of_one_run_do_not_sweep_each_others_drafts(storage: Storage) -> None:
    store = Store(storage)
    with store.draft(["a"], "p", "run") as one, store.draft(["b"], "p", "run") as two:
        for draft in (one, two):
            (draft.folder / "x").write_text("x")
    assert one.published is not None
    assert two.published is not None


def test_small_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]
