"""The whole platform of ``docker/compose.yaml`` under a project name, ports and volumes of its own."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
from docker.errors import APIError, NotFound

from sam2_assets.launcher.docker_launcher import DEPLOYMENT_LABEL, RUN_LABEL
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.launcher.conftest import launch, wait_for

ROOT = Path(__file__).parents[2]
TAG = "test"
STORE = "s3://sam2-assets/store"


def compose_command() -> list[str] | None:
    """``docker compose`` or ``docker-compose``, as ``docker/up.sh`` chooses."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def _for_everybody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


@dataclass
class Stack:
    """A started platform; ``inspected`` is what ``docker inspect`` said of every run's container while it was there."""

    engine: Any
    folder: Path
    project: str = field(default_factory=lambda: f"sam2-assets-test-{secrets.token_hex(3)}")
    ports: Mapping[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("WEBSERVER_PORT", "STORAGE_PORT", "TENSORBOARD_PORT")}
    )
    inspected: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['WEBSERVER_PORT']}"

    def write_environment(self) -> None:
        values = {
            "COMPOSE_PROJECT_NAME": self.project,
            "TAG": TAG,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "POSTGRES_PASSWORD": "not-a-secret",
            "DOCKER_GID": Path("/var/run/docker.sock").stat().st_gid,
            "SAM2_ASSETS_WHEELS": ROOT / "var" / "wheels",
            "SAM2_ASSETS_PROFILE": "cpu",
            **self.ports,
        }
        (self.folder / "env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = compose_command()
        assert command is not None
        file = ROOT / "docker" / "compose.yaml"
        done = subprocess.run(
            [*command, "--env-file", str(self.folder / "env"), "-f", str(file), "-p", self.project, *arguments],
            # As docker/up.sh does: the caller's variables would win against the file's.
            env={name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> str:
        """What ``sam2-assets`` says inside the platform."""
        return self.compose("exec", "-T", "webserver", "sam2-assets", *arguments).stdout

    def fill_models(self, model: Path) -> None:
        """Copy a base model into the volume that every run sees as ``/models``."""
        volume = self.engine.volumes.create(f"{self.project}-models")
        # Never started: a container is the engine's only way to write into a volume.
        porter = self.engine.containers.create(
            f"sam2-assets:{TAG}", volumes={volume.name: {"bind": "/models", "mode": "rw"}}
        )
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as packed:
            packed.add(model, arcname=model.name, filter=_for_everybody)
        porter.put_archive("/models", archive.getvalue())
        porter.remove()

    def s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.ports['STORAGE_PORT']}",
            aws_access_key_id="tester",
            aws_secret_access_key="not-a-secret",
            region_name="us-east-1",
        )

    def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        return httpx.post(f"{self.address}/graphql", json=body, timeout=120, trust_env=False).json()["data"]

    def launch(self, job: str, partition: str) -> str:
        return launch(self.address, job, partition)

    def runs(self) -> list[dict[str, Any]]:
        """Newest first: ``runId``, ``jobName``, ``status``, ``partition``."""
        said = self.ask("{ runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }")
        return [
            {**run, "partition": {tag["key"]: tag["value"] for tag in run["tags"]}.get("dagster/partition")}
            for run in said["runsOrError"]["results"]
        ]

    def reached(self, job: str, *statuses: str) -> dict[str, Any]:
        """Waits until the newest run of a job has one of the statuses."""

        def newest() -> Any:
            runs = [run for run in self.runs() if run["jobName"] == job]
            return runs and runs[0]["status"] in statuses and runs[0]

        found: dict[str, Any] = wait_for(f"a run of {job}", newest)
        return found

    def finished(self, job: str) -> dict[str, Any]:
        """Waits for the newest run of a job; fails with what the services said if it did not succeed."""
        run = self.reached(job, "SUCCESS", "FAILURE", "CANCELED")
        assert run["status"] == "SUCCESS", self.errors_of(run["runId"])
        return run

    def cancel(self, run_id: str) -> str:
        """What *Terminate* in the UI asks; the type of the answer."""
        query = "mutation M($id: String!) { terminateRun(runId: $id) { __typename } }"
        return str(self.ask(query, id=run_id)["terminateRun"]["__typename"])

    def errors_of(self, run_id: str) -> str:
        query = """query Q($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
            ... on MessageEvent { message } ... on ErrorEvent { error { message causes { message } } } } } } }"""
        return "\n".join(str(event) for event in self.ask(query, id=run_id)["logsForRun"]["events"][-12:])

    def metadata(self, asset: str, partition: str) -> dict[str, Any]:
        """Of the newest materialization; empty if there is none."""
        query = """query Q($key: AssetKeyInput!, $partitions: [String!]) { assetOrError(assetKey: $key) { ... on Asset {
            assetMaterializations(limit: 1, partitions: $partitions) { metadataEntries { label
                ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue }
                ... on BoolMetadataEntry { boolValue } } } } } }"""
        found = self.ask(query, key={"path": [asset]}, partitions=[partition])["assetOrError"]
        made = found.get("assetMaterializations") or [{"metadataEntries": []}]
        wanted = ("text", "intValue", "boolValue")
        return {
            entry["label"]: next((entry[name] for name in wanted if name in entry), None)
            for entry in made[0]["metadataEntries"]
        }

    def containers(self) -> list[Any]:
        chosen = {"label": [f"{DEPLOYMENT_LABEL}={self.project}", RUN_LABEL]}
        return list(self.engine.containers.list(all=True, filters=chosen, ignore_removed=True))

    def watch(self, ended: threading.Event) -> None:
        """Keep what ``docker inspect`` says of every run's container."""
        while not ended.wait(0.5):
            for container in self.containers():
                try:
                    container.reload()
                except (NotFound, APIError):
                    continue
                self.inspected[container.labels[RUN_LABEL]] = container.attrs


@contextmanager
def started(engine: Any, folder: Path, model: Path) -> Iterator[Stack]:
    """Images built from this checkout, all services up; at the end nothing of it is left."""
    build = subprocess.run(
        [ROOT / "docker" / "build.sh", "platform", "services"],
        env={**os.environ, "PYTHON": sys.executable, "TAG": TAG},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    stack = Stack(engine, folder)
    stack.write_environment()
    ended = threading.Event()
    watcher = threading.Thread(target=stack.watch, args=(ended,), daemon=True)
    try:
        stack.fill_models(model)
        stack.compose("up", "-d")
        watcher.start()
        yield stack
    except BaseException:
        print(stack.compose("logs", "--no-color", "--tail=60", check=False).stdout)
        raise
    finally:
        ended.set()
        watcher.join()
        for container in stack.containers():
            container.remove(force=True, v=True)
        stack.compose("down", "-v", "--timeout", "5", check=False)
