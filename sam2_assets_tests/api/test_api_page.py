"""The examples of docs/api.md, run from top to bottom against a real web server and daemon."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from sam2_assets.approvals import approval_of
from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.automation.jobs import JOBS
from sam2_assets.sample import SampleVideo
from sam2_assets.training.plan import PLAN_FILE, Plan
from sam2_assets_tests.automation.test_daemon import user_interface
from sam2_assets_tests.conftest import Home
from sam2_assets_tests.docs.test_docs import blocks
from sam2_assets_tests.free_port import free_port

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
ON_THE_PAGE = "http://127.0.0.1:3000/graphql"
PATIENCE_S = 600.0
MARK = "---- block"


def ask(url: str, query: str) -> dict[str, Any]:
    answer = httpx.post(url, json={"query": query}, timeout=60, trust_env=False)
    answer.raise_for_status()
    data: dict[str, Any] = answer.json()["data"]
    return data


def switch_off_automation(url: str) -> None:
    """What runs here is what the page starts."""
    selector = '{repositoryName: "__repository__", repositoryLocationName: "sam2_assets"}'
    fields = "{ ... on Sensors { results { sensorState { id } } } }"
    query = f"{{ sensorsOrError(repositorySelector: {selector}) {fields} }}"
    end = time.monotonic() + PATIENCE_S
    found: list[dict[str, Any]] = []
    while not found:
        assert time.monotonic() < end, "the web server does not answer"
        try:
            found = ask(url, query)["sensorsOrError"].get("results", [])
        except (httpx.TransportError, httpx.HTTPStatusError):
            time.sleep(0.5)
    for sensor in found:
        identity = sensor["sensorState"]["id"]
        stopped = ask(url, f'mutation {{ stopSensor(id: "{identity}") {{ __typename }} }}')
        assert stopped == {"stopSensor": {"__typename": "StopSensorMutationResult"}}


def run_page(home: Home, url: str, kind: str, text: str, **variables: str) -> str:
    """What the page's blocks of one kind print; each starts with a line of its own."""
    text = text.replace(ON_THE_PAGE, url)
    command = {"bash": ["bash", "-euo", "pipefail", "-c", text], "python": [sys.executable, "-c", text]}[kind]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=home.folder,
        env={**home.environment(covered=False), "PATH": path, "NO_PROXY": "127.0.0.1", **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def slow_settings(tiny_settings: str) -> str:
    """A training that does not end before it is cancelled."""
    settings = yaml.safe_load(tiny_settings)
    settings["training"]["max_steps"] = 100_000
    return yaml.safe_dump(settings)


def test_the_examples_of_the_page_do_what_it_says(
    home: Home, sample_videos: list[SampleVideo], slow_settings: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/graphql"
    home.write_settings(slow_settings)
    shutil.copy(sample_videos[0].export, home.folder / "cats.zip")
    shutil.copy(sample_videos[0].source, home.folder / "cats.mp4")
    with home.platform() as platform, user_interface(home, port):
        switch_off_automation(url)
        shell = f"\necho '{MARK}'\n".join(blocks(PAGE, "bash api"))
        _, submitted, launched, ended, listed, *_, cancelled, fetched = run_page(home, url, "bash", shell).split(MARK)
        partition = submitted.split("partition ")[1].split()[0]
        assert json.loads(launched)["data"]["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess"
        assert ended.strip() == "SUCCESS"
        (run,) = json.loads(listed)["data"]["runsOrError"]["results"]
        assert (run["jobName"], run["status"]) == ("ingest", "SUCCESS")

        plan = Plan.read(home.folder / "plan" / PLAN_FILE)
        assert fetched.strip().endswith("/plan")
        (shown,) = json.loads((home.folder / "plan.json").read_text())["data"]["assetOrError"]["assetMaterializations"]
        entries = {entry["label"]: entry for entry in shown["metadataEntries"]}
        assert entries["plan_hash"]["text"] == plan.plan_hash
        assert entries["gpu_hours"]["floatValue"] == plan.estimate.gpu_hours
        events = json.loads((home.folder / "checks.json").read_text())["data"]["logsForRun"]["events"]
        verdicts = {e["evaluation"]["checkName"]: e["evaluation"]["success"] for e in events if e}
        assert len(verdicts) > 5
        refused = (home.folder / "refused.json").read_text()
        assert "nobody has approved it" in refused
        assert f"sam2-assets approve {partition}" in refused
        approval = approval_of(platform.store.open().files, plan.plan_hash)
        assert approval is not None
        assert approval.approved_by == "Ada Lovelace"
        assert "TerminateRunSuccess" in cancelled
        assert cancelled.split()[-2] == "CANCELED"
        training = cancelled.split()[-1]

        (script,) = blocks(PAGE, "python api")
        said = run_page(home, url, "python", script, PARTITION=partition, TRAINING=training).splitlines()
        assert re.fullmatch(r"SUCCESS \{.*\}", said[0])
        assert said[1:] == [f"{plan.estimate.gpu_hours} GPU-hours", "CANCELED"]

        runs = platform.instance.get_runs()
        assert [run.job_name for run in runs] == ["train_video", "ingest", "train_video", "train_video", "ingest"]
        assert [run.parent_run_id for run in runs] == [training, None, runs[3].run_id, None, None]
        assert runs[3].status is dg.DagsterRunStatus.FAILURE
        assert current(platform.instance, VIDEO.key("lora_adapter"), partition) is None


def test_the_page_lists_every_job() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(job.name for job in JOBS)
