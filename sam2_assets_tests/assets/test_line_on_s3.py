"""The same line with its store in a bucket of a real S3 server; a training goes on on another machine."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.automation.inbox_sensor import build_inbox_sensor
from sam2_assets.automation.intake import SETTLE_S
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.sample import SampleVideo
from sam2_assets.storage import S3Storage
from sam2_assets_tests.conftest import Home, approve_plan, submit

STEPS = 80


def as_another_machine(home: Home, patch: pytest.MonkeyPatch, name: str) -> None:
    """Another local disk: nothing of what was fetched or worked on before is there."""
    patch.setenv("SAM2_ASSETS_CACHE", str(home.folder / name))


def train_until_a_checkpoint_is_in_the_bucket(home: Home, files: S3Storage, partition: str) -> None:
    command = [sys.executable, "-m", "sam2_assets", "approve", partition, "--run"]
    with subprocess.Popen(command, cwd=home.folder, env=home.environment(), stdout=subprocess.PIPE, text=True) as run:
        until = time.monotonic() + 180
        while not any(file.name.endswith("complete.json") for file in files.list("work")):
            assert run.poll() is None, "the training ended before it left a checkpoint"
            assert time.monotonic() < until, "no checkpoint came up"
            time.sleep(0.5)
        os.kill(run.pid, signal.SIGINT)
        printed = run.communicate(timeout=120)[0]
    assert "model_card" not in printed


def test_an_export_put_into_a_bucket_becomes_an_adapter_and_another_machine_resumes_its_training(
    home: Home, bucket: str, sample_videos: list[SampleVideo], tiny_settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = dataclasses.replace(home, url=f"s3://{bucket}/team")
    home.write_settings(tiny_settings.replace("max_steps: 6", f"max_steps: {STEPS}"))
    files = S3Storage(bucket, "team")
    with home.platform() as platform:
        partition = submit(platform, sample_videos[0])
        time.sleep(SETTLE_S + 1)
        sensor = build_inbox_sensor(AutomationSettings())
        tick = sensor(dg.build_sensor_context(instance=platform.instance, resources={"store": platform.store}))
        assert isinstance(tick, dg.SensorResult)
        assert [request.partition_key for request in tick.run_requests or ()] == [partition]
        outcome = home.run(platform, "ingest", partition)
        assert outcome.success, outcome.reasons
        approve_plan(platform, VIDEO, partition)

    as_another_machine(home, monkeypatch, "second")
    train_until_a_checkpoint_is_in_the_bucket(home, files, partition)
    assert not list(files.list("artifacts/lora_adapter"))

    as_another_machine(home, monkeypatch, "third")
    with home.platform() as platform:
        outcome = home.run(platform, "train_video", partition)
        assert outcome.success, outcome.reasons
        began = platform.instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
        phases = [
            (str(m["phase"].value), m["step"].value)
            for entry in began
            if (m := entry.get_dagster_event().asset_observation_data.asset_observation.metadata) and "step" in m
        ]
        assert all(int(str(step)) > 0 for _, step in phases), f"it began anew: {phases}"
        deployed = current(platform.instance, VIDEO.key("deploy_image"), partition)
        assert deployed is not None
        assert platform.store.open().uri(deployed.ref).startswith(f"s3://{bucket}/team/artifacts/deploy_image/")

    as_another_machine(home, monkeypatch, "fourth")
    fetched = home.command("fetch", partition, "model_card", "--out", "fetched", check=True)
    assert "fetched" in fetched.stdout
    assert (home.folder / "fetched" / "README.md").is_file()
    assert not list(files.list("work/lease.json"))
    shown = home.command("status", partition, check=True).stdout
    assert "deploy_image" in shown
