"""What a run's container gets, by the pools of the run."""

from __future__ import annotations

from typing import Any

import pytest

from sam2_assets.assets.child_process import GRACE_S
from sam2_assets.assets.line import GPU_POOL, IMAGE_POOL
from sam2_assets.errors import LaunchError
from sam2_assets.launcher.containers import HARDENED, container_kwargs, gpu_request, layered
from sam2_assets.launcher.docker_launcher import PoolRunLauncher

BUILDER = {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"], "group_add": [999]}
GPU = {"shm_size": "4g"}
BASE = {"volumes": ["cache:/cache:rw"], "mem_limit": "8g"}


def given(*pools: str, **changes: Any) -> dict[str, Any]:
    return container_kwargs(pools, **{"base": BASE, "gpu": GPU, "builder": BUILDER, **changes})


@pytest.mark.parametrize("pools", [(), (GPU_POOL,), (IMAGE_POOL,), (GPU_POOL, IMAGE_POOL)])
def test_every_container_is_hardened_and_stops_slowly_enough_for_a_checkpoint(pools: tuple[str, ...]) -> None:
    kwargs = given(*pools)
    assert {name: kwargs[name] for name in HARDENED if name != "mem_limit"} == {
        name: value for name, value in HARDENED.items() if name != "mem_limit"
    }
    assert kwargs["mem_limit"] == "8g", "a deployment may set its own limit"
    assert "cache:/cache:rw" in kwargs["volumes"]
    assert kwargs["stop_timeout"] > GRACE_S


def test_the_card_goes_to_pool_gpu_and_to_nobody_else() -> None:
    assert given(GPU_POOL)["device_requests"] == [gpu_request()]
    assert given(GPU_POOL)["shm_size"] == "4g"
    assert given(GPU_POOL, devices=["GPU-1"])["device_requests"] == [gpu_request(["GPU-1"])]
    assert gpu_request(["GPU-1"])["device_ids"] == ["GPU-1"]
    for pools in ((), (IMAGE_POOL,)):
        assert "device_requests" not in given(*pools)
        assert "shm_size" not in given(*pools)
    assert "device_requests" not in given(GPU_POOL, gpu=None), "the CPU profile"


def test_a_request_of_the_deployments_own_is_kept_until_a_card_was_chosen() -> None:
    own = [{"driver": "nvidia", "count": 2, "capabilities": [["gpu"]]}]
    assert given(GPU_POOL, gpu={"device_requests": own})["device_requests"] == own
    chosen = given(GPU_POOL, gpu={"device_requests": own}, devices=["GPU-1"])
    assert chosen["device_requests"] == [gpu_request(["GPU-1"])]


def test_the_builder_goes_to_runs_that_build_and_never_to_one_that_trains() -> None:
    def reaches_the_engine(*pools: str) -> bool:
        return "docker.sock" in repr(given(*pools))

    assert reaches_the_engine(IMAGE_POOL)
    assert given(IMAGE_POOL)["volumes"] == ["cache:/cache:rw", *BUILDER["volumes"]]
    assert not reaches_the_engine()
    assert not reaches_the_engine(GPU_POOL)
    assert not reaches_the_engine(GPU_POOL, IMAGE_POOL)
    assert "docker.sock" not in repr(given(IMAGE_POOL, builder=None))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"base": {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}}, "builder_for_all"),
        ({"gpu": {"volumes": {"/var/run/docker.sock": {"bind": "/s", "mode": "rw"}}}}, "builder_for_all"),
        ({"base": {"device_requests": [gpu_request()]}}, "gpu_for_all"),
        ({"builder": {"runtime": "nvidia"}}, "gpu_for_all"),
    ],
)
def test_a_configuration_that_hands_out_more_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(LaunchError) as refused:
        given(**changes)
    assert refused.value.code == code
    assert refused.value.file == "dagster.yaml"


def test_volumes_of_all_layers_are_kept_whichever_way_they_are_written() -> None:
    merged = layered({"volumes": {"a": {"bind": "/a", "mode": "ro"}}}, {"volumes": ["b:/b"]}, {"mem_limit": "1g"})
    assert merged == {"volumes": ["a:/a:ro", "b:/b"], "mem_limit": "1g"}


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(LaunchError, match="Choose cpu or gpu"):
        PoolRunLauncher(profile="tpu", image="any")
