"""One writer at a time, and no writer outlives its processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sam2_assets.errors import GateError
from sam2_assets.workarea import lease


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
