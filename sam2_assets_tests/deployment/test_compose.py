"""From an upload with boto3 to a built and queried adapter: real S3, Postgres, Docker Engine, every run a container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sam2_assets.launcher.containers import HARDENED
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import TINY_SETTINGS
from sam2_assets_tests.deployment.stack import Stack, compose_command, started
from sam2_assets_tests.launcher.conftest import wait_for

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def stack(engine: Any, base_image: str, tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if compose_command() is None:
        pytest.skip("absent docker compose: scripts/install_docker.sh installs it as root")
    with started(engine, tmp_path_factory.mktemp("stack"), tiny_llava) as running:
        yield running


def test_an_upload_becomes_a_built_adapter_and_every_container_is_hardened(
    stack: Stack, sample_videos: list[SampleVideo], tiny_llava: Path
) -> None:
    def answers() -> bool:
        try:
            return bool(stack.ask("{ version }"))
        except (httpx.HTTPError, ValueError):
            return False

    wait_for("the web server", answers)
    s3 = stack.s3()
    wait_for("the bucket", lambda: any(b["Name"] == "sam2-assets" for b in s3.list_buckets()["Buckets"]))
    settings = TINY_SETTINGS.replace("training:\n", f"training:\n  base_model: /models/{tiny_llava.name}\n")
    s3.put_object(Bucket="sam2-assets", Key="store/settings.yaml", Body=settings.encode())
    video = sample_videos[0]
    stem = f"store/inbox/team/{video.export.stem}"
    s3.upload_file(str(video.source), "sam2-assets", f"{stem}{video.source.suffix}")
    s3.upload_file(str(video.export), "sam2-assets", f"{stem}.zip")

    # Nobody clicks: the plan waits for an approval.
    partition = stack.finished("ingest")["partition"]
    assert stack.metadata("training_plan", partition)
    assert [run["jobName"] for run in stack.runs()] == ["ingest"]
    said = stack.command("status")
    assert f"sam2-assets approve {partition}" in said, said

    stack.command("approve", partition)
    # While the sensor waits: a second start of the services leaves the limit that somebody set.
    stack.compose("exec", "-T", "webserver", "dagster", "instance", "concurrency", "set", "gpu", "2")
    stack.compose("up", "-d")
    # Cancelled where people click it: in the web server, which reaches no engine. Then run again.
    cancelled = stack.reached("train_video", "STARTED", "SUCCESS", "FAILURE")
    assert stack.cancel(cancelled["runId"]) == "TerminateRunSuccess"
    assert stack.reached("train_video", "CANCELED", "SUCCESS", "FAILURE")["status"] == "CANCELED"
    assert not stack.metadata("model_card", partition)
    stack.launch("train_video", partition)
    trained = stack.finished("train_video")
    assert stack.metadata("model_card", partition)
    limits = stack.compose("exec", "-T", "webserver", "dagster", "instance", "concurrency", "get", "--all").stdout
    assert re.search(r'"gpu": \d+ / 2 slots', limits), limits
    assert re.search(r'"image": \d+ / 1 slots', limits), limits

    # The run that trained had no builder; one of its own builds the image, starts it, and asks it.
    stack.launch("image_video", partition)
    built = stack.finished("image_video")
    made = stack.metadata("deploy_image", partition)
    assert made["image"] == "built", made

    # What a step printed lies in the bucket, for whoever looks after its container is gone.
    logs = s3.list_objects_v2(Bucket="sam2-assets-logs", Prefix=f"compute-logs/storage/{trained['runId']}")
    assert logs.get("KeyCount"), "no compute logs"
    wait_for("the containers to be reaped", lambda: not stack.containers())

    assert set(stack.inspected) == {run["runId"] for run in stack.runs()}
    for run_id, inspected in stack.inspected.items():
        config, host = inspected["Config"], inspected["HostConfig"]
        assert config["User"] == HARDENED["user"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["Privileged"]
        assert host["PidsLimit"] == HARDENED["pids_limit"]
        assert host["Memory"] > 0
        assert not host["DeviceRequests"]
        assert any("docker.sock" in bind for bind in host["Binds"]) == (run_id == built["runId"])
