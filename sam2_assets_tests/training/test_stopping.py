from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam2_assets.training.stopping import Interrupted, StopRequest

_CHILD = (
    "import signal, sys, time\n"
    "from sam2_assets.training.stopping import Interrupted, StopRequest, end_with_parent\n"
    "from pathlib import Path\n"
    "stop = StopRequest(); stop.install(); end_with_parent()\n"
    "Path(sys.argv[1] + '/started').touch()\n"
    "try:\n"
    "    time.sleep(30)\n"
    "except Interrupted:\n"
    "    Path(sys.argv[1] + '/ended').touch()\n"
)
_PARENT = (
    "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]]); time.sleep(30)\n"
)


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_at_once_what_has_nothing_to_lose(number: signal.Signals) -> None:
    stop = StopRequest()
    stop.install()
    with pytest.raises(Interrupted):
        os.kill(os.getpid(), number)


def test_in_the_loop_a_signal_waits_for_the_step_boundary() -> None:
    stop = StopRequest()
    stop.install()
    stop.immediate = False
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested


def _wait_for(file: Path, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return file.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_child_does_not_outlive_its_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path), _CHILD])
    assert _wait_for(tmp_path / "started")
    parent.kill()
    parent.wait(timeout=10)
    assert _wait_for(tmp_path / "ended", 10)
