"""The real web server on a copy of the trained home, and a real headless browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from sam2_assets import inbox
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home, TrainedHome
from sam2_assets_tests.ui.browser import FLAGS, PATIENCE_MS, Screen, installed_browser

REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / "var" / "screenshots"
START_S = 180


@dataclass(frozen=True)
class ShownHome:
    """What the UI shows: a home with a video trained to the end, and one whose pictures contain the answers."""

    home: Home
    trained: str
    rejected: str


@pytest.fixture(scope="module")
def shown(
    trained: TrainedHome, sample_videos: list[SampleVideo], tmp_path_factory: pytest.TempPathFactory
) -> ShownHome:
    """A copy, so that the rejected video changes nothing for the other tests of the trained home."""
    folder = tmp_path_factory.mktemp("ui")
    home = Home(folder / "home")
    shutil.copytree(trained.home.folder, home.folder)
    export = Path(shutil.copy(sample_videos[0].export, folder / "no-video.zip"))
    with home.platform() as platform:
        rejected = inbox.submit(platform.store.open().inbox, export).partition
        assert not home.run(platform, "ingest", rejected).success
    return ShownHome(home, trained.partition, rejected)


@pytest.fixture(scope="module")
def address(shown: ShownHome) -> Iterator[str]:
    """The web server alone, without a daemon: all that looking needs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = shown.home.folder / "webserver.log"
    command = ["dagster_webserver", "-w", str(REPOSITORY / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=shown.home.folder,
            env={**shown.home.environment(covered=False), "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _ready(f"http://127.0.0.1:{port}", server, log)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _ready(address: str, server: subprocess.Popen[bytes], log: Path) -> str:
    """The address, once the server answers and has been told that its community dialog was seen."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            seen = httpx.post(f"{address}/graphql", json={"query": "mutation { setNuxSeen }"}, timeout=30)
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        assert seen.json() == {"data": {"setNuxSeen": True}}, seen.text
        return address
    pytest.fail(f"the web server did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the session: while it is open, no other test in this process could start an event loop.
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=installed_browser(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def screen(address: str, browser: Browser) -> Iterator[Screen]:
    """A page in a fresh profile."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(base_url=address, viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    yield Screen(context.new_page(), SCREENSHOTS)
    context.close()
