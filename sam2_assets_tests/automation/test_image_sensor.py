"""The corpus' image after a training run that could not build it."""

from __future__ import annotations

from types import SimpleNamespace

import dagster as dg
import pytest

from sam2_assets.assets.scope import CORPUS
from sam2_assets.automation.image_sensor import corpus_image_sensor
from sam2_assets.definitions import defs


def publish(instance: dg.DagsterInstance, image: str, sha256: str) -> None:
    metadata = {"image": image, "sha256": sha256}
    instance.report_runless_asset_event(dg.AssetMaterialization(CORPUS.key("deploy_image"), metadata=metadata))


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorExecutionData:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    return corpus_image_sensor.evaluate_tick(context)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """An instance whose launcher lets runs in pool `image` reach an engine."""
    made = dg.DagsterInstance.ephemeral()
    monkeypatch.setattr(type(made), "run_launcher", SimpleNamespace(builder={}), raising=True)
    return made


def test_a_context_without_an_image_is_asked_for_once(instance: dg.DagsterInstance) -> None:
    publish(instance, "not built: no Docker Engine answers", "aa11")
    first = tick(instance)
    (request,) = first.run_requests or []
    assert (request.run_key, request.job_name) == ("aa11", None)
    assert not tick(instance, first.cursor).run_requests
    publish(instance, "not built: no Docker Engine answers", "aa11")
    (again,) = tick(instance, first.cursor).run_requests or []
    assert again.run_key == request.run_key, "Dagster launches no run for a key that it knows"


def test_a_built_image_asks_for_nothing(instance: dg.DagsterInstance) -> None:
    publish(instance, "built", "aa11")
    assert not tick(instance).run_requests


def test_where_runs_are_local_processes_nothing_is_asked_for() -> None:
    instance = dg.DagsterInstance.ephemeral()
    publish(instance, "not built: no Docker Engine answers", "aa11")
    found = tick(instance)
    assert not found.run_requests
    assert found.skip_message == "no run reaches a Docker Engine that this one did not"
