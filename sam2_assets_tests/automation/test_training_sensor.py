"""Which plans are trained by themselves, and which wait: the sensor on a folder with Dagster's own records."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, DagsterEventType

from sam2_assets.approvals import Approval, approve
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.automation.retraining import build_forced_retraining
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.automation.training_sensor import NEEDS_APPROVAL, PLAN_HASH, build_training_sensor
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource

ONE, OTHER = "1" * 64, "2" * 64
MONTHLY = AutomationSettings(retrain_anyway="0 3 1 * *")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(str(videos.name), ["cats-111111"])
        yield made


@dg.job
def a_job() -> None:
    """Stands for whatever trains."""


class Deployment:
    """The records of one Dagster instance and one store, and the sensor's cursor."""

    def __init__(self, instance: dg.DagsterInstance, root: Path) -> None:
        self.instance = instance
        self.store = StoreResource(root=str(root))
        self.cursor: str | None = None

    def tick(self, settings: AutomationSettings | None = None) -> list[dg.RunRequest] | str:
        """What is started, or why nothing is."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources={"store": self.store})
        outcome = build_training_sensor(settings or AutomationSettings())(context)
        if isinstance(outcome, dg.SkipReason):
            self.cursor = context.cursor
            return str(outcome.skip_message)
        assert isinstance(outcome, dg.SensorResult)
        self.cursor = outcome.cursor
        return [request for request in outcome.run_requests or () if isinstance(request, dg.RunRequest)]

    def plan(
        self, plan_hash: str, partition: str | None = "cats-111111", *, small: bool = False, passed: bool = True
    ) -> None:
        scope = _scope(partition)
        key, sha = scope.key("training_plan"), plan_hash[::-1].replace("1", "a")
        facts = {"path": "p", "sha256": sha, PLAN_HASH: plan_hash, NEEDS_APPROVAL: not small}
        plan = {"config": {"attempt": 3}}
        event = dg.AssetMaterialization(
            key, partition=partition, metadata={**facts, "plan": dg.MetadataValue.json(plan)}
        )
        self.instance.report_runless_asset_event(event)
        for gate in scope.plan_gates:
            self.evaluated(gate, partition, sha, passed=passed)

    def evaluated(self, gate: dg.AssetCheckKey, partition: str | None, sha: str, *, passed: bool) -> None:
        evaluation = dg.AssetCheckEvaluation(
            gate.asset_key, gate.name, passed, metadata={"data_version": sha}, partition=partition
        )
        self._report(DagsterEventType.ASSET_CHECK_EVALUATION, evaluation)

    def training_is_planned(self, partition: str | None = "cats-111111") -> dg.DagsterRun:
        """As when somebody's run is created."""
        planned = AssetMaterializationPlannedData(_scope(partition).key("lora_adapter"), partition=partition)
        run = self.instance.create_run_for_job(a_job)
        self._report(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, planned, run.run_id)
        return run

    def trained(self, plan_hash: str, partition: str | None = "cats-111111") -> None:
        event = dg.AssetMaterialization(
            _scope(partition).key("lora_adapter"), partition=partition, metadata={PLAN_HASH: plan_hash}
        )
        self.instance.report_runless_asset_event(event)

    def approve(self, plan_hash: str, seconds_ago: float = 60) -> None:
        when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
        approval = Approval(plan_hash=plan_hash, approved_by="a person", approved_at=when)
        approve(self.store.open().files, plan_hash, "a person")
        self.store.open().files.write(f"approvals/{plan_hash}.json", approval.model_dump_json().encode())

    def _report(self, kind: DagsterEventType, data: object, run_id: str = "") -> None:
        event = DagsterEvent(kind.value, "a job", event_specific_data=data)  # type: ignore[arg-type]
        self.instance.report_dagster_event(event, run_id=run_id or str(uuid.uuid4()))


def _scope(partition: str | None) -> Scope:
    return CORPUS if partition is None else VIDEO


@pytest.fixture
def deployment(instance: dg.DagsterInstance, tmp_path: Path) -> Deployment:
    return Deployment(instance, tmp_path)


@pytest.mark.parametrize("partition", ["cats-111111", None])
def test_a_plan_waits_for_its_approval_then_trains_under_one_key_until_its_run_is_seen(
    deployment: Deployment, partition: str | None
) -> None:
    assert "0 wait" in deployment.tick()
    deployment.plan(ONE, partition)
    assert "1 wait" in deployment.tick()
    deployment.approve(ONE, seconds_ago=1)
    assert "1 wait" in deployment.tick(), "approve --run has a moment to start its own run"
    deployment.approve(ONE)
    (request,), (again,) = deployment.tick(), deployment.tick()
    assert isinstance(request, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert (request.job_name, request.partition_key) == ("train_video" if partition else "train_corpus", partition)
    assert request.run_key == again.run_key
    run = deployment.training_is_planned(partition)
    assert "1 wait" in deployment.tick()
    deployment.instance.report_run_failed(run)
    assert "0 wait" in deployment.tick()


def test_whoever_started_the_training_and_however_it_ended_it_is_not_started_again(deployment: Deployment) -> None:
    deployment.plan(ONE)
    deployment.approve(ONE)
    deployment.instance.report_run_canceled(deployment.training_is_planned())
    assert "0 wait" in deployment.tick()
    deployment.trained(ONE)
    deployment.plan(ONE)
    assert "0 wait" in deployment.tick(), "the same plan, made again, is what the newest adapter was made from"
    deployment.cursor = None
    assert "0 wait" in deployment.tick(), "nor without a memory"


def test_a_run_that_was_refused_before_the_approval_does_not_count(deployment: Deployment) -> None:
    deployment.plan(ONE)
    refused = deployment.training_is_planned()
    assert "1 wait" in deployment.tick()
    deployment.approve(ONE)
    assert "no plan to start" in deployment.tick(), "it may still train"
    deployment.instance.report_run_failed(refused)
    deployment.approve(ONE, seconds_ago=-60)
    assert len(deployment.tick()) == 1
    deployment.instance.report_run_failed(deployment.training_is_planned())
    deployment.approve(ONE)
    assert "0 wait" in deployment.tick(), "with the approval it ended for another reason"


def test_below_the_limit_nobody_is_asked_but_a_closed_gate_holds_every_plan(deployment: Deployment) -> None:
    deployment.plan(ONE, small=True, passed=False)
    assert "1 wait" in deployment.tick()
    for gate in VIDEO.plan_gates:
        deployment.evaluated(gate, "cats-111111", ONE[::-1].replace("1", "a"), passed=True)
    assert len(deployment.tick()) == 1


def test_a_newer_plan_takes_the_place_of_one_that_waited(deployment: Deployment) -> None:
    deployment.plan(ONE)
    assert "1 wait" in deployment.tick()
    deployment.plan(OTHER)
    deployment.approve(ONE)
    assert "1 wait" in deployment.tick(), "an approval of the plan that was replaced starts nothing"
    deployment.approve(OTHER)
    (request,) = deployment.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["sam2_assets/plan"] == OTHER


def test_switched_off_it_starts_nothing_and_says_so(deployment: Deployment) -> None:
    deployment.plan(ONE, small=True)
    assert deployment.tick(AutomationSettings(enabled=False)) == "automation is switched off (SAM2_ASSETS_AUTOMATION)"


def forced(deployment: Deployment) -> dg.RunRequest | dg.SkipReason:
    (schedule,) = build_forced_retraining(MONTHLY)
    assert (schedule.cron_schedule, schedule.default_status) == ("0 3 1 * *", dg.DefaultScheduleStatus.RUNNING)
    outcome = schedule(dg.build_schedule_context(instance=deployment.instance))
    assert isinstance(outcome, dg.RunRequest | dg.SkipReason)
    return outcome


def test_a_forced_retraining_is_a_new_attempt_and_an_empty_corpus_is_none(tmp_path: Path) -> None:
    # Schedules open the instance again, from its folder.
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        _a_month_without_news(Deployment(instance, tmp_path / "store"))


def _a_month_without_news(deployment: Deployment) -> None:
    nothing = forced(deployment)
    assert isinstance(nothing, dg.SkipReason)
    assert "the corpus is empty" in str(nothing.skip_message)
    facts = {"path": "p", "sha256": ONE}
    deployment.instance.add_dynamic_partitions(str(videos.name), ["cats-111111"])
    splits = dg.AssetMaterialization(VIDEO.key("splits"), partition="cats-111111", metadata=facts)
    deployment.instance.report_runless_asset_event(splits)
    assert isinstance(forced(deployment), dg.SkipReason), "its only video has passed no gate"
    for gate in VIDEO.member_gates:
        deployment.evaluated(gate, "cats-111111", ONE, passed=True)
    first = forced(deployment)
    assert isinstance(first, dg.RunRequest)
    assert first.run_config == {}
    deployment.plan(ONE, None)
    later = forced(deployment)
    assert isinstance(later, dg.RunRequest)
    assert later.run_config == {"ops": {"corpus__training_plan": {"config": {"attempt": 4}}}}


def test_a_forced_retraining_is_configuration_and_obeys_the_switch() -> None:
    assert build_forced_retraining(AutomationSettings()) == []
    assert build_forced_retraining(AutomationSettings(enabled=False, retrain_anyway="0 3 1 * *")) == []
