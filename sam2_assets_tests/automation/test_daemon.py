"""The whole automation with real processes: what ``make ui`` starts imports what is dropped into the inbox."""

from __future__ import annotations

import signal
import time

import dagster as dg
import pytest

from sam2_assets.assets.child_process import STARTED_BY
from sam2_assets.assets.failures import failure_reasons
from sam2_assets.assets.line import GPU_POOL
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.cli.instance import daemon_is_up
from sam2_assets.cli.webserver import UI_VARIABLE
from sam2_assets.inbox import scan
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.user_interface import group_lives, user_interface

PATIENCE_S = 300.0
STOPS_WITHIN_S = 60.0


def test_an_export_becomes_a_plan_without_a_click_an_approval_queues_its_training_and_ctrl_c_ends_everything(
    home: Home, sample_videos: list[SampleVideo], tiny_settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_settings(tiny_settings)
    # Whatever the time of day: not the corpus's.
    monkeypatch.setenv(AutomationSettings.variable("retrain"), "0 0 29 2 *")
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
        (listed,) = [line for line in home.command("status", check=True).stdout.splitlines() if "approve" in line]
        assert upload.partition in listed
        # No GPU is free: the training waits in the queue, which is as far as this test goes.
        platform.instance.event_log_storage.set_concurrency_slots(GPU_POOL, 0)
        home.command("approve", upload.partition, check=True)

        # With a daemon a command never runs a job beside its queue: it launches through the web server of this home.
        monkeypatch.setenv(UI_VARIABLE, f"http://127.0.0.1:{free_port()}")
        refused = home.command("launch", "plan_corpus")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert f"set {UI_VARIABLE} to its address" in refused.stderr
        assert not platform.instance.get_runs(dg.RunsFilter(job_name="plan_corpus"))
        monkeypatch.setenv(UI_VARIABLE, f"http://127.0.0.1:{port}")
        said = home.command("launch", "plan_corpus", check=True).stdout
        (launched,) = platform.instance.get_runs(dg.RunsFilter(job_name="plan_corpus"))
        assert f"in Dagster's queue: http://127.0.0.1:{port}/runs/{launched.run_id}" in said
        assert "corpus__training_plan (" in said
        assert (launched.job_name, launched.status) == ("plan_corpus", dg.DagsterRunStatus.SUCCESS)
        assert STARTED_BY not in launched.tags

        queued = dg.RunsFilter(job_name="train_video", statuses=[dg.DagsterRunStatus.QUEUED])
        while not (trainings := platform.instance.get_runs(queued)):
            still_waiting()
        (training,) = trainings
        by, of = training.tags["dagster/sensor_name"], training.tags["dagster/partition"]
        assert (by, of) == ("trainings", upload.partition)
        # The corpus of this one video has the same plan, so the approval may start its training, too.
        started = [(run.job_name, run.tags.get("dagster/partition")) for run in platform.instance.get_runs()]
        assert len(started) == len(set(started))

        process.send_signal(signal.SIGINT)
        assert process.wait(STOPS_WITHIN_S) == 0, log.read_text()
        stopped = time.monotonic() + STOPS_WITHIN_S
        while group_lives(process.pid):
            assert time.monotonic() < stopped, "a part of it still runs"
            time.sleep(0.2)
