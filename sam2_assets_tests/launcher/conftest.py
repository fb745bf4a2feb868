"""A real Docker Engine, an image whose runs do nothing for a while, and Dagster's own services on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sam2_assets_tests.conftest import Home
from sam2_assets_tests.free_port import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600.0


@pytest.fixture(scope="session")
def engine(docker_engine: Any) -> Any:
    """The client of the engine."""
    return docker_engine


@pytest.fixture(scope="session")
def sleeper(engine: Any, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image in which ``dagster`` sleeps: its containers stand still to be looked at, and end on SIGTERM."""
    folder = tmp_path_factory.mktemp("sleeper")
    (folder / "Dockerfile").write_text(
        f"FROM {base_image}\nRUN printf '#!/bin/sh\\necho started; exec sleep 600\\n' > /usr/local/bin/dagster "
        "&& chmod 755 /usr/local/bin/dagster\n"
    )
    engine.images.build(path=str(folder), tag="sam2-assets-test-sleeper:local")
    return "sam2-assets-test-sleeper:local"


def configure(home: Home, launcher: Mapping[str, Any]) -> None:
    """The top-level ``dagster.yaml`` with our launcher, and the queue's limit for runs that wait for a card."""
    written = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    written["run_launcher"] = {"module": "sam2_assets.launcher", "class": "PoolRunLauncher", "config": dict(launcher)}
    ours = yaml.safe_load((ROOT / "docker" / "dagster.yaml").read_text())
    written["concurrency"] = ours["concurrency"]
    (home.folder / "dagster.yaml").write_text(yaml.safe_dump(written))
    (home.folder / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    """The first true answer."""
    end = time.monotonic() + PATIENCE_S
    while not (answer := found()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.5)
    return answer


@contextmanager
def services(home: Home) -> Iterator[str]:
    """Web server and daemon of a home; gives the server's address."""
    port = free_port()
    commands = [
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
        ["dagster-daemon", "run", "-w", "workspace.yaml"],
    ]
    processes = []
    with (home.folder / "services.log").open("wb") as log:
        try:
            for name, *arguments in commands:
                processes.append(
                    subprocess.Popen(
                        [str(Path(sys.executable).with_name(name)), *arguments],
                        cwd=home.folder,
                        env=home.environment(covered=False),
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            address = f"http://127.0.0.1:{port}"

            def up() -> bool:
                assert all(process.poll() is None for process in processes), (home.folder / "services.log").read_text()
                try:
                    return httpx.get(f"{address}/server_info", trust_env=False).status_code == 200
                except httpx.HTTPError:
                    return False

            wait_for("the web server", up)
            yield address
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


_LAUNCH = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""


def launch(
    address: str, job: str, partition: str, assets: list[str] | None = None, tags: Mapping[str, str] | None = None
) -> str:
    """A run of a job; or, with ``assets``, what the UI's Materialize button does. Its id."""
    selector: dict[str, Any] = {
        "repositoryLocationName": "sam2_assets",
        "repositoryName": "__repository__",
        "pipelineName": job,
    }
    if assets is not None:
        selector |= {"assetSelection": [{"path": [name]} for name in assets], "assetCheckSelection": []}
    params = {
        "selector": selector,
        "mode": "default",
        "runConfigData": {},
        "executionMetadata": {
            "tags": [
                {"key": key, "value": value} for key, value in {"dagster/partition": partition, **(tags or {})}.items()
            ]
        },
    }
    body = {"query": _LAUNCH, "variables": {"params": params}}
    said = httpx.post(f"{address}/graphql", json=body, timeout=120, trust_env=False).json()
    done = said["data"]["launchPipelineExecution"]
    assert done["__typename"] == "LaunchRunSuccess", said
    return str(done["run"]["runId"])
