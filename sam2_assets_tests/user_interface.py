"""What ``make ui`` starts, in a home of its own: web server, daemon and code server as real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam2_assets_tests.conftest import Home


@contextmanager
def user_interface(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """``make ui`` in a home of its own; its whole process group is killed if it does not stop."""
    shutil.copy(Path(__file__).parents[1] / "workspace.yaml", home.folder / "workspace.yaml")
    command = [str(Path(sys.executable).with_name("dg")), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    with (home.folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", str(port)],
            cwd=home.folder,
            env=home.environment(covered=False),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if group_lives(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
