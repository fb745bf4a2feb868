"""One writer at a time, and no writer outlives its processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sam2_assets.errors import GateError
from sam2_assets.workarea import gpu_turn, lease


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        lease(tmp_path, "p" * 64, "run one"),
        pytest.raises(GateError, match="run one is working") as caught,
        lease(tmp_path, "p" * 64, "run two"),
    ):
        pass
    assert caught.value.code == "work_in_use"


def test_it_is_free_again_afterwards_and_other_plans_never_wait(tmp_path: Path) -> None:
    with lease(tmp_path, "a", "x"), lease(tmp_path, "b", "y"):
        pass
    with lease(tmp_path, "a", "z") as held:
        assert held.folder == tmp_path / "a"


def test_a_child_that_outlives_its_parent_keeps_the_lease(tmp_path: Path) -> None:
    with lease(tmp_path, "a", "parent") as held:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[held.descriptor]
        )
    with pytest.raises(GateError), lease(tmp_path, "a", "next"):
        pass
    child.kill()
    child.communicate()
    with lease(tmp_path, "a", "next"):
        assert [p.name for p in (tmp_path / "a").iterdir()] == ["lease.lock"]


def test_queued_runs_share_the_gpu_and_a_run_that_went_around_the_queue_waits_for_it_alone(tmp_path: Path) -> None:
    told: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def around_the_queue() -> None:
        with gpu_turn(tmp_path, alone=True, waiting=lambda: told.append("alone")):
            entered.set()
            assert leave.wait(60)

    other = threading.Thread(target=around_the_queue)
    with (
        gpu_turn(tmp_path, alone=False, waiting=lambda: told.append("first")),
        gpu_turn(tmp_path, alone=False, waiting=lambda: told.append("second")),
    ):
        assert told == []
        other.start()
        assert not entered.wait(1.5)
        assert told == ["alone"]
    assert entered.wait(60)
    threading.Timer(0.5, leave.set).start()
    with gpu_turn(tmp_path, alone=False, waiting=lambda: told.append("third")):
        assert leave.is_set()
    other.join()
    assert told == ["alone", "third"]


def test_a_child_that_outlives_its_parent_keeps_the_gpu(tmp_path: Path) -> None:
    with gpu_turn(tmp_path, alone=True, waiting=lambda: None) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[descriptor]
        )

    def free_it() -> None:
        child.kill()
        child.communicate()

    with gpu_turn(tmp_path, alone=True, waiting=free_it):
        assert child.returncode is not None
