"""Going back to an earlier model: the run that a tag names, verified, and nothing trained."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData

from sam2_assets.assets.failures import failure_reasons
from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.assets.rollback import ROLLBACK_TAG
from sam2_assets.assets.scope import VIDEO
from sam2_assets.definitions import build_definitions
from sam2_assets.partitions import videos
from sam2_assets_tests.conftest import TrainedHome

KEY = VIDEO.key("lora_adapter")


@pytest.fixture
def instance(trained: TrainedHome) -> Iterator[dg.DagsterInstance]:
    """Records of its own, about the store with a trained adapter."""
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(str(videos.name), [trained.partition])
        yield made


@pytest.fixture
def first(trained: TrainedHome, instance: dg.DagsterInstance) -> Materialized:
    """The adapter that was trained, as an earlier run of these records; a newer one, which is lost, hides it."""
    with trained.home.platform() as platform:
        adapter = current(platform.instance, KEY, trained.partition)
    assert adapter is not None
    for sha256, path in ((adapter.ref.sha256, adapter.ref.path), ("f" * 64, "artifacts/gone")):
        event = dg.AssetMaterialization(
            KEY, partition=trained.partition, metadata={"sha256": sha256, "path": path, "plan_hash": "a plan"}
        )
        data = StepMaterializationData(event)
        kind = DagsterEventType.ASSET_MATERIALIZATION.value
        run_id = str(uuid.uuid4())
        instance.report_dagster_event(DagsterEvent(kind, "a job", event_specific_data=data), run_id=run_id)
    *_, oldest = instance.fetch_materializations(KEY, limit=10).records
    return Materialized(KEY, trained.partition, adapter.ref, oldest.storage_id, oldest.run_id)


def go_back(trained: TrainedHome, instance: dg.DagsterInstance, to: str) -> dg.ExecuteInProcessResult:
    job = build_definitions(trained.home.root).resolve_job_def("train_video")
    return job.execute_in_process(
        instance=instance,
        partition_key=trained.partition,
        asset_selection=[KEY],
        tags={ROLLBACK_TAG: to},
        raise_on_error=False,
    )


def test_the_version_of_the_named_run_is_the_newest_again_and_nothing_is_trained(
    trained: TrainedHome, instance: dg.DagsterInstance, first: Materialized
) -> None:
    hidden = current(instance, KEY, trained.partition)
    assert hidden is not None
    assert hidden.ref != first.ref
    assert go_back(trained, instance, first.run_id).success
    back = current(instance, KEY, trained.partition)
    assert back is not None
    assert back.ref == first.ref
    (record,) = instance.fetch_materializations(KEY, limit=1).records
    event = record.asset_materialization
    assert event is not None
    assert event.metadata["plan_hash"].value == "a plan", "what was known of it is kept"
    assert event.metadata["rolled_back_to"].value == first.run_id
    assert (event.tags or {})["dagster/data_version"] == first.ref.sha256


def test_a_run_that_made_no_version_and_a_version_that_is_gone_are_refused(
    trained: TrainedHome, instance: dg.DagsterInstance, first: Materialized
) -> None:
    unknown = go_back(trained, instance, "another")
    assert not unknown.success
    assert "that run made no version of it" in str(failure_reasons(instance, unknown.run_id))
    gone = current(instance, KEY, trained.partition)
    assert gone is not None
    assert not go_back(trained, instance, gone.run_id).success
    assert current(instance, KEY, trained.partition) == gone
