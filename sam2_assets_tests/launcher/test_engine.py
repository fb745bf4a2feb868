"""The launcher with a real engine, a real queue and a real web server; the containers' program is a sleep.

What the containers are given is read back from the engine. That real runs work in such containers is the matter of
``test_platform``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import docker
import pytest

from sam2_assets.assets.child_process import GRACE_S
from sam2_assets.assets.failures import failure_reasons
from sam2_assets.cli.instance import Platform, add_partition
from sam2_assets.launcher import PoolRunLauncher
from sam2_assets.launcher.admission import Never
from sam2_assets.launcher.docker_launcher import DEPLOYMENT_LABEL, GATE_TAG, REASON_TAG, WAITS
from sam2_assets.launcher.memory_need import NEED_TAG
from sam2_assets.launcher.upkeep import reap, release, tell_cancelled
from sam2_assets_tests.conftest import Home, new_home
from sam2_assets_tests.launcher.conftest import configure, launch, services, wait_for

PARTITION = "cats-20ae30"
DEPLOYMENT = "test-launcher"
pytestmark = pytest.mark.xdist_group("docker")


@pytest.fixture(scope="module")
def gpu_home(engine: Any, sleeper: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """The GPU profile on a machine whose engine has no driver for one."""
    home = new_home(tmp_path_factory.mktemp("gpu") / "home")
    launcher = {
        "image": sleeper,
        "deployment": DEPLOYMENT,
        "profile": "gpu",
        "gpu": {"admission": False},
        "builder": {},
        "container_kwargs": {"network_mode": "none", "mem_limit": "256m"},
    }
    configure(home, launcher)
    with home.platform() as platform:
        add_partition(platform.instance, PARTITION)
    with services(home) as address:
        yield home, address
    for container in engine.containers.list(all=True, filters={"label": f"{DEPLOYMENT_LABEL}={DEPLOYMENT}"}):
        container.remove(force=True)


def container_of(engine: Any, run_id: str) -> Any:
    found = engine.containers.list(all=True, filters={"label": f"dagster/run_id={run_id}"})
    return found[0] if found else None


def launcher_of(platform: Platform) -> PoolRunLauncher:
    launcher = platform.instance.run_launcher
    assert isinstance(launcher, PoolRunLauncher)
    return launcher


def requested(platform: Platform, run_id: str) -> str | None:
    """What the run's container asked of the engine, as the refusal's event tells it."""
    events = [entry.get_dagster_event() for entry in platform.instance.all_logs(run_id) if entry.is_dagster_event]
    asked = [
        e.engine_event_data.metadata["device_requests"]
        for e in events
        if e.is_engine_event and "refused" in (e.message or "") and "device_requests" in e.engine_event_data.metadata
    ]
    return str(asked[0].value) if asked else None


@pytest.mark.parametrize(
    ("job", "assets"),
    [("train_video", None), ("__ASSET_JOB", ["lora_adapter"]), ("__ASSET_JOB", ["evaluation"])],
    ids=["a job", "materialize", "materialize evaluation"],
)
def test_a_run_that_computes_asks_for_a_card_and_a_refusal_is_a_clear_failure_that_leaves_no_container(
    gpu_home: tuple[Home, str], engine: Any, job: str, assets: list[str] | None
) -> None:
    home, address = gpu_home
    with home.platform() as platform:
        run_id = launch(address, job, PARTITION, assets)

        def ended() -> bool:
            run = platform.instance.get_run_by_id(run_id)
            return run is not None and run.is_finished

        wait_for("the run's end", ended)
        run = platform.instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE
        (reason,) = failure_reasons(platform.instance, run_id)
        assert "could not select device driver" in reason, "the engine's own words"
        (request,) = json.loads(requested(platform, run_id) or "[]")
        assert (request["Driver"], request["Count"]) == ("nvidia", -1)
        assert run.tags["dagster/max_retries"] == "0"
        assert container_of(engine, run_id) is None
        again = [r for r in platform.instance.get_runs() if r.root_run_id == run_id]
        assert not again, "not retried"


def test_other_runs_ask_for_no_card_and_the_builder_is_reached_by_pool_image_alone(
    gpu_home: tuple[Home, str], engine: Any
) -> None:
    home, address = gpu_home
    with home.platform() as platform:
        found = {}
        for asset in ("raw_export", "deploy_image"):
            run_id = launch(address, "__ASSET_JOB", PARTITION, [asset])
            container = wait_for(f"{asset}'s container", lambda run=run_id: container_of(engine, run))
            found[asset] = wait_for("it to run", lambda c=container: c.reload() or (c.status == "running" and c)).attrs
            # The container is asked to stop; Dagster reads here how long it may take.
            run = platform.instance.get_run_by_id(run_id)
            assert run is not None
            context = launcher_of(platform).get_container_context(run)
            assert context.container_kwargs["stop_timeout"] > GRACE_S
            if asset == "raw_export":
                cancel_as_the_web_server_does(platform, run_id, container)
            else:
                assert platform.instance.run_launcher.terminate(run_id)
            wait_for("it to stop", lambda c=container: c.reload() or c.status == "exited")
            run = platform.instance.get_run_by_id(run_id)
            assert run is not None
            platform.instance.report_run_canceled(run)
            assert reap(launcher_of(platform), platform.instance) == [container.id]
            with pytest.raises(docker.errors.NotFound):
                container.reload()
            told = [
                e.get_dagster_event().message or "" for e in platform.instance.all_logs(run_id) if e.is_dagster_event
            ]
            assert any("Container" in text and "signal 15" in text for text in told), told
    for attrs in found.values():
        host = attrs["HostConfig"]
        assert not host["DeviceRequests"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert not host["Privileged"]
        assert (host["PidsLimit"], host["Memory"]) == (2048, 256 * 1024**2)
        assert attrs["Config"]["User"] == "10001:10001"
        assert attrs["Config"]["Labels"][DEPLOYMENT_LABEL] == DEPLOYMENT
    reaching = {asset for asset, attrs in found.items() if "docker.sock" in repr(attrs["HostConfig"]["Binds"])}
    assert reaching == {"deploy_image"}


def cancel_as_the_web_server_does(platform: Platform, run_id: str, container: Any) -> None:
    """Where no engine is in reach the run is marked; upkeep, which reaches it, tells the container, once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        assert platform.instance.run_launcher.terminate(run_id)
    run = platform.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELING
    container.reload()
    assert container.status == "running"
    assert tell_cancelled(launcher_of(platform), platform.instance) == [run_id]
    assert tell_cancelled(launcher_of(platform), platform.instance) == []


def test_a_run_that_fits_no_card_now_stays_queued_says_why_and_starts_when_it_fits(
    engine: Any, sleeper: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No driver here could lend a card, so nvidia-smi is a script; the queue, the daemon and the engine are real.
    (home.folder / "bin").mkdir()
    smi, cards = home.folder / "bin" / "nvidia-smi", home.folder / "cards.csv"
    smi.write_text(f"#!/bin/sh\ncat {cards}\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{smi.parent}:{os.environ['PATH']}")
    deployment = f"{DEPLOYMENT}-queue"
    configure(home, {"image": sleeper, "deployment": deployment, "profile": "gpu", "gpu": {"probe": "host"}})
    cards.write_text("0, GPU-1, Small, 24576, 2000\n1, GPU-2, Large, 81920, 3000\n")
    with home.platform() as platform, services(home) as address:
        instance = platform.instance
        add_partition(instance, PARTITION)
        run_id = launch(address, "train_video", PARTITION, tags={NEED_TAG: "40"})

        def waits() -> dg.DagsterRun | None:
            run = instance.get_run_by_id(run_id)
            return run if run is not None and run.tags.get(GATE_TAG) == WAITS else None

        run = wait_for("the run to wait", waits)
        assert run.tags[REASON_TAG] == ("needs 41.0 GiB; free: card 0 (Small) 2.0 GiB, card 1 (Large) 2.9 GiB")
        assert release(launcher_of(platform), instance) == []
        time.sleep(8)
        assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.QUEUED  # type: ignore[union-attr]
        assert container_of(engine, run_id) is None

        # The SAM2 demo that shared the card has gone.
        cards.write_text("0, GPU-1, Small, 24576, 2000\n1, GPU-2, Large, 81920, 80000\n")
        assert release(launcher_of(platform), instance) == [run_id]

        def ended() -> bool:
            return instance.get_run_by_id(run_id).is_finished  # type: ignore[union-attr]

        wait_for("the run's end", ended)
        (request,) = json.loads(requested(platform, run_id) or "[]")
        assert request["DeviceIDs"] == ["GPU-2"], "the card with room"


def test_a_run_that_no_card_could_ever_hold_is_refused_at_once(
    engine: Any, sleeper: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, {"image": sleeper, "deployment": DEPLOYMENT, "profile": "gpu", "gpu": {"probe": "host"}})
    monkeypatch.setattr("sam2_assets.launcher.docker_launcher.read_here", lambda: "0, GPU-1, Small, 24576, 24000\n")
    with home.platform() as platform:
        decision = launcher_of(platform).decide(
            dg.DagsterRun(job_name="train_video", tags={NEED_TAG: "40"}), launcher_of(platform).read_cards(), []
        )
    assert decision == Never("needs 41.0 GiB; the largest, card 0 (Small), has 24.0 GiB")
