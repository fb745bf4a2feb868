"""The whole automation with real processes: what ``make ui`` starts imports what is dropped into the inbox."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from sam2_assets.assets.child_process import STARTED_BY
from sam2_assets.assets.failures import failure_reasons
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.cli.instance import daemon_is_up
from sam2_assets.cli.webserver import UI_VARIABLE
from sam2_assets.inbox import scan
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home
from sam2_assets_tests.free_port import free_port

PATIENCE_S = 300.0
STOPS_WITHIN_S = 60.0


@contextmanager
def user_interface(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """``make ui`` in a home of its own; its whole process group is killed if it does not stop."""
    shutil.copy(Path(__file__).parents[2] / "workspace.yaml", home.folder / "workspace.yaml")
    command = [str(Path(sys.executable).with_name("dg")), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    with (home.folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", str(port)],
            cwd=home.folder,
            env=home.environment(),
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


def test_an_export_dropped_into_the_inbox_becomes_a_training_plan_and_ctrl_c_ends_everything(
    home: Home, sample_videos: list[SampleVideo], tiny_settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_settings(tiny_settings)
    log = home.folder / "ui.log"
    port = free_port()
    with home.platform() as platform, user_interface(home, port) as process:
        end = time.monotonic() + PATIENCE_S

        def still_waiting() -> None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)

        while not daemon_is_up(platform.instance):
            still_waiting()
        video = sample_videos[0]
        said = home.command("submit", video.export, "--video", video.source, check=True).stdout
        assert "sensor starts the line" in said
        (upload,) = scan(platform.store.open().inbox)
        while not (runs := platform.instance.get_runs()) or not runs[0].is_finished:
            still_waiting()
        (run,) = runs
        assert run.status is dg.DagsterRunStatus.SUCCESS, failure_reasons(platform.instance, run.run_id)
        started = (run.job_name, run.tags["dagster/sensor_name"], run.tags["dagster/partition"])
        assert started == ("ingest", "inbox", upload.partition)
        assert current(platform.instance, VIDEO.key("training_plan"), upload.partition) is not None

        # With a daemon a command never runs a job beside its queue: it launches through the web server of this home.
        monkeypatch.setenv(UI_VARIABLE, f"http://127.0.0.1:{free_port()}")
        refused = home.command("launch", "plan_corpus")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert f"set {UI_VARIABLE} to its address" in refused.stderr
        assert len(platform.instance.get_runs()) == 1
        monkeypatch.setenv(UI_VARIABLE, f"http://127.0.0.1:{port}")
        said = home.command("launch", "plan_corpus", check=True).stdout
        launched = platform.instance.get_runs(limit=1)[0]
        assert f"in Dagster's queue: http://127.0.0.1:{port}/runs/{launched.run_id}" in said
        assert "corpus__training_plan (" in said
        assert (launched.job_name, launched.status) == ("plan_corpus", dg.DagsterRunStatus.SUCCESS)
        assert STARTED_BY not in launched.tags

        process.send_signal(signal.SIGINT)
        assert process.wait(STOPS_WITHIN_S) == 0, log.read_text()
        stopped = time.monotonic() + STOPS_WITHIN_S
        while group_lives(process.pid):
            assert time.monotonic() < stopped, "a part of it still runs"
            time.sleep(0.2)
