"""The running Dagster web server of this instance: how the command launches a run that the queue and pools hold for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import dagster as dg
import httpx

from sam2_assets.errors import StoreError

UI_VARIABLE = "SAM2_ASSETS_UI"
DEFAULT_UI = "http://127.0.0.1:3000"
_ANSWERS_WITHIN_S = 60.0
_BEATS = "{ instance { daemonHealth { allDaemonStatuses { daemonType lastHeartbeatTime } } } }"
_JOBS = """{ repositoriesOrError { ... on RepositoryConnection {
    nodes { name location { name } pipelines { name } } } ... on Error { message } } }"""
_LAUNCH = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message } } }"""


def ui_address() -> str:
    """Where the web server is: ``$SAM2_ASSETS_UI``, else where ``make ui`` starts it."""
    return (os.environ.get(UI_VARIABLE) or DEFAULT_UI).rstrip("/")


@dataclass(frozen=True)
class WebServer:
    """A web server that is known to show our instance."""

    address: str

    def launch(self, job: str, partition: str | None) -> str:
        """Put a run of a job into the queue; its id.

        Raises:
            StoreError: ``launch_refused``, with the server's own words.
        """
        found = _ask(self.address, _JOBS)["repositoriesOrError"]
        places = [n for n in found.get("nodes", []) if any(p["name"] == job for p in n["pipelines"])]
        if not places:
            raise self._refused(job, found.get("message") or "it has not loaded a job of this name")
        selector = {
            "repositoryLocationName": places[0]["location"]["name"],
            "repositoryName": places[0]["name"],
            "pipelineName": job,
        }
        tags = {"dagster/partition": partition} if partition is not None else {}
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        said = _ask(self.address, _LAUNCH, {"params": params})["launchPipelineExecution"]
        if said["__typename"] != "LaunchRunSuccess":
            words = [said.get("message"), *(error["message"] for error in said.get("errors", []))]
            raise self._refused(job, " ".join(word for word in words if word) or said["__typename"])
        return str(said["run"]["runId"])

    def _refused(self, job: str, words: str) -> StoreError:
        return StoreError(
            "launch_refused",
            f"the web server did not launch it: {words}",
            file=self.address,
            field="job",
            value=job,
            remedy="Launch it in the UI, or stop make ui and run this again.",
        )


def find_web_server(instance: dg.DagsterInstance) -> WebServer | None:
    """The web server at ``ui_address``, if it shows this instance and no other.

    Another project's Dagster may listen on the same port. Ours knows the very moments at which our daemon gave its
    last signs of life, to the microsecond; what was beaten between two looks at our own record is there in one of them.
    """
    address = ui_address()
    before = _own_beats(instance)
    try:
        health = _ask(address, _BEATS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        # Nobody there, or somebody who speaks another language.
        return None
    shown = {status["daemonType"]: status["lastHeartbeatTime"] for status in health}
    after = _own_beats(instance)
    ours = [kind for kind, moment in before.items() if shown.get(kind) in (moment, after.get(kind))]
    return WebServer(address) if ours else None


def _own_beats(instance: dg.DagsterInstance) -> dict[str, float]:
    return {kind: beat.timestamp for kind, beat in instance.get_daemon_heartbeats().items()}


def _ask(address: str, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ``data`` of a GraphQL answer.

    Raises:
        httpx.HTTPError: no answer, or not that of a GraphQL server.
        ValueError: an answer that is no JSON.
        KeyError: an answer without data.
    """
    body = {"query": query, "variables": variables or {}}
    answer = httpx.post(f"{address}/graphql", json=body, timeout=_ANSWERS_WITHIN_S, trust_env=False)
    answer.raise_for_status()
    said: dict[str, Any] = answer.json()
    data = said["data"]
    if not isinstance(data, dict):
        raise KeyError(f"no data: {said.get('errors')}")
    return data
