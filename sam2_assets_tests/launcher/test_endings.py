"""How a container's end is told."""

from __future__ import annotations

from typing import Any

import pytest

from sam2_assets.launcher.endings import Ending


def inspected(code: int = 0, *, oom: bool = False, error: str = "", memory: int = 0) -> dict[str, Any]:
    return {
        "State": {"Status": "exited", "ExitCode": code, "OOMKilled": oom, "Error": error},
        "HostConfig": {"Memory": memory},
    }


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (inspected(137, oom=True, memory=2 * 1024**3), "ran out of memory (limit 2.0 GiB)"),
        (inspected(137), "killed by signal 9"),
        (inspected(1), "exit code 1"),
        (inspected(127, error="exec: no such file"), "did not start the container: exec: no such file"),
    ],
)
def test_a_bad_end_is_told_in_words(state: dict[str, Any], sentence: str) -> None:
    ending = Ending.of(state)
    assert not ending.clean
    assert sentence in ending.sentence()


def test_a_good_end_leaves_nothing_to_keep() -> None:
    assert Ending.of(inspected()).clean
    assert not Ending.of(inspected(oom=True)).clean, "a child of it was killed"
