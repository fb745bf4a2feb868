"""``make ui`` where something else listens on its port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_a_port_in_use_ends_make_ui_before_anything_is_started_and_says_how_to_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # The environment that runs this test stands for the one that make would set up.
        making = subprocess.Popen(
            ["make", "-o", f"{sys.prefix}/.installed", f"VENV={sys.prefix}", "ui", f"UI_PORT={port}"],
            cwd=REPOSITORY,
            env={**os.environ, "MAKEFLAGS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            said, complaint = making.communicate(timeout=120)
        finally:
            if making.poll() is None:
                os.killpg(making.pid, signal.SIGKILL)
                making.wait()
    assert making.returncode != 0
    assert f"make ui UI_PORT={port + 1}" in complaint
    assert f"SAM2_ASSETS_UI=http://127.0.0.1:{port + 1}" in complaint
    assert f"http://127.0.0.1:{port} " not in said, "no address that shows somebody else's pages"
