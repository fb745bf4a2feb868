"""A work folder survives the machine it was worked in on, has one writer at a time, and is never half there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sam2_assets.errors import GateError
from sam2_assets.storage import S3Storage
from sam2_assets.training.sealed import damage, sealing
from sam2_assets.workmirror import LEASE, Mirror, mirrored_lease

PLAN = "p" * 64


def machine(bucket: str, tmp_path: Path, name: str) -> S3Storage:
    """The work area as a machine with its own disk sees it."""
    return S3Storage(bucket, "store/work", cache=tmp_path / name)


def checkpoint(folder: Path, step: int) -> None:
    with sealing(folder / "checkpoints" / f"checkpoint-{step}", PLAN) as draft:
        (draft / "weights").write_bytes(bytes([step]) * 1000)


def wait_for(what: str, there: object) -> None:
    assert callable(there)
    until = time.monotonic() + 20
    while not there():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.05)


def test_another_machine_goes_on_from_what_the_first_left(bucket: str, tmp_path: Path) -> None:
    with mirrored_lease(machine(bucket, tmp_path, "one"), PLAN, "run one") as held:
        checkpoint(held.folder, 1)
        (held.folder / "logs").mkdir()
        (held.folder / "logs" / "events").write_text("a")
    with mirrored_lease(machine(bucket, tmp_path, "two"), PLAN, "run two") as held:
        assert damage(held.folder / "checkpoints" / "checkpoint-1", PLAN) is None
        assert (held.folder / "logs" / "events").read_text() == "a"


def test_what_is_new_goes_up_while_the_work_goes_on_and_what_is_pruned_goes_away(bucket: str, tmp_path: Path) -> None:
    work = machine(bucket, tmp_path, "one")
    seal = f"{PLAN}/checkpoints/checkpoint-%d/complete.json"
    with mirrored_lease(work, PLAN, "run", push_s=0.1) as held:
        checkpoint(held.folder, 1)
        wait_for("the checkpoint", lambda: work.stat(seal % 1) is not None)
        checkpoint(held.folder, 2)
        for path in (held.folder / "checkpoints" / "checkpoint-1").iterdir():
            path.unlink()
        wait_for("the newer one", lambda: work.stat(seal % 2) is not None)
        wait_for("the pruning", lambda: work.stat(seal % 1) is None)
        draft = held.folder / "checkpoints" / ".writing-checkpoint-3"
        draft.mkdir()
        (draft / "weights").write_text("half")
    names = [file.name for file in work.list()]
    assert names == [f"{PLAN}/checkpoints/checkpoint-2/{name}" for name in ("complete.json", "weights")]


def test_a_seal_is_brought_after_everything_it_vouches_for(bucket: str, tmp_path: Path) -> None:
    work = machine(bucket, tmp_path, "one").below(PLAN)
    checkpoint(tmp_path / "folder", 1)
    (tmp_path / "folder" / "checkpoints" / "checkpoint-1" / "zzz").write_text("sorts behind the seal")
    assert Mirror(work, tmp_path / "folder").push()[-1] == "checkpoints/checkpoint-1/complete.json"


def test_nothing_unchanged_is_brought_twice(bucket: str, tmp_path: Path) -> None:
    mirror = Mirror(machine(bucket, tmp_path, "one").below(PLAN), tmp_path / "folder")
    checkpoint(tmp_path / "folder", 1)
    assert len(mirror.push()) == 2
    assert mirror.push() == []


def test_what_a_killed_run_had_not_brought_up_yet_is_kept_and_brought(bucket: str, tmp_path: Path) -> None:
    files, folder = machine(bucket, tmp_path, "one").below(PLAN), tmp_path / "folder"
    folder.mkdir()
    (folder / "events").write_text("ab")
    files.write("events", b"a")
    mirror = Mirror(files, folder)
    assert mirror.pull() == []
    assert mirror.push() == ["events"]
    assert files.read("events") == b"ab"


def test_a_second_machine_is_refused_and_told_who_holds_it(bucket: str, tmp_path: Path) -> None:
    two = mirrored_lease(machine(bucket, tmp_path, "two"), PLAN, "run two")
    with (
        mirrored_lease(machine(bucket, tmp_path, "one"), PLAN, "run one", expires_s=3.0),
        pytest.raises(GateError, match="run one is working") as caught,
        two,
    ):
        pass
    assert caught.value.code == "work_in_use"


def test_a_lease_that_nobody_renews_is_taken_over(bucket: str, tmp_path: Path) -> None:
    work = machine(bucket, tmp_path, "one")
    work.write(f"{PLAN}/{LEASE}", b'{"holder": "run dead", "identity": "x", "beat": 1}')
    with mirrored_lease(work, PLAN, "run two", expires_s=1.0):
        pass
    assert list(work.list()) == []


def test_who_lost_the_lease_writes_nothing_any_more(
    bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = machine(bucket, tmp_path, "one")
    with mirrored_lease(work, PLAN, "run one", push_s=0.1, expires_s=1.0) as held:
        work.write(f"{PLAN}/{LEASE}", b'{"holder": "run two", "identity": "y", "beat": 1}')
        wait_for("the keeper to notice", lambda: "another run has taken over" in caplog.text)
        (held.folder / "late").write_text("late")
    assert [file.name for file in work.list()] == [f"{PLAN}/{LEASE}"]


def test_a_run_that_fails_leaves_its_checkpoints_and_no_lease(bucket: str, tmp_path: Path) -> None:
    work = machine(bucket, tmp_path, "one")

    def fail() -> None:
        with mirrored_lease(work, PLAN, "run") as held:
            checkpoint(held.folder, 1)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert [Path(file.name).name for file in work.list()] == ["complete.json", "weights"]
