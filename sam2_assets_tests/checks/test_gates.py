"""A gate speaks about exactly the data it looked at: of that version, of that partition, and only errors close it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent

from sam2_assets.assets.lineage import Materialized, current_of_all_partitions
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.checks.gates import require_gates, verdict
from sam2_assets.checks.verdicts import TO_ACCEPT_IT
from sam2_assets.errors import GateError
from sam2_assets.store import ArtifactRef

OLD, NEW = "a" * 64, "b" * 64
GATE = VIDEO.gate("splits", "burnt_in_overlay")
OTHER_GATE = VIDEO.gate("splits", "no_leakage")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def materialize(
    instance: dg.DagsterInstance, sha256: str, partition: str | None = "cats-111111", scope: Scope = VIDEO
) -> Materialized:
    """The event of a published version, as a station records it."""
    path = f"artifacts/splits/{partition}/{sha256[:4]}"
    event = dg.AssetMaterialization(scope.key("splits"), partition=partition, metadata={"path": path, "sha256": sha256})
    instance.report_runless_asset_event(event)
    return Materialized(scope.key("splits"), partition, ArtifactRef(path, sha256), 0, "")


def evaluate(
    instance: dg.DagsterInstance,
    data: Materialized,
    *,
    passed: bool,
    gate: dg.AssetCheckKey = GATE,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    ways_on: Mapping[str, str] | None = None,
) -> None:
    """The event of a check that looked at ``data``, as the checks of this project write it."""
    evaluation = dg.AssetCheckEvaluation(
        asset_key=gate.asset_key,
        check_name=gate.name,
        passed=passed,
        severity=severity,
        partition=data.partition,
        metadata={"data_version": data.ref.sha256, "message": "3 frames are painted", **(ways_on or {})},
    )
    event = DagsterEvent(dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "a job", event_specific_data=evaluation)
    instance.report_dagster_event(event, run_id=str(uuid.uuid4()))


def refusal(instance: dg.DagsterInstance, data: Materialized, *gates: dg.AssetCheckKey) -> str:
    with pytest.raises(GateError) as caught:
        require_gates(instance, data, gates or [GATE])
    return caught.value.code


def test_a_pass_on_old_data_does_not_open_the_gate_for_new_data(instance: dg.DagsterInstance) -> None:
    old = materialize(instance, OLD)
    evaluate(instance, old, passed=True)
    require_gates(instance, old, [GATE])
    new = materialize(instance, NEW)
    assert verdict(instance, GATE, new) is None
    assert refusal(instance, new) == "gate_never_ran"
    require_gates(instance, old, [GATE])


def test_a_pass_recorded_after_newer_data_came_still_speaks_of_the_data_it_looked_at(
    instance: dg.DagsterInstance,
) -> None:
    """The trap: Dagster attaches such an evaluation to the newest materialization, which nobody checked."""
    old, new = materialize(instance, OLD), materialize(instance, NEW)
    evaluate(instance, old, passed=True)
    assert refusal(instance, new) == "gate_never_ran"
    members, rejected = current_of_all_partitions(instance, VIDEO.key("splits"), [GATE])
    assert (members, list(rejected)) == ({}, ["cats-111111"])


def test_going_back_to_a_version_finds_its_old_verdict(instance: dg.DagsterInstance) -> None:
    old = materialize(instance, OLD)
    evaluate(instance, old, passed=True)
    new = materialize(instance, NEW)
    evaluate(instance, new, passed=False)
    assert refusal(instance, new) == "gate_failed"
    again = materialize(instance, OLD)
    require_gates(instance, again, [GATE])


def test_the_newest_verdict_on_the_same_data_holds(instance: dg.DagsterInstance) -> None:
    data = materialize(instance, OLD)
    evaluate(instance, data, passed=False)
    assert refusal(instance, data) == "gate_failed"
    evaluate(instance, data, passed=True)  # waived, or the thresholds were changed
    require_gates(instance, data, [GATE])
    evaluate(instance, data, passed=False)
    assert refusal(instance, data) == "gate_failed"


def test_a_failed_gate_says_why_and_how_to_go_on(instance: dg.DagsterInstance) -> None:
    data = materialize(instance, OLD)
    command = "sam2-assets settings cats-111111 --set quality.waivers.burnt_in_overlay='WHY'"
    evaluate(instance, data, passed=False, ways_on={TO_ACCEPT_IT: command})
    with pytest.raises(GateError, match="3 frames are painted") as caught:
        require_gates(instance, data, [GATE])
    assert f"Or accept it, with a reason that the model card will print: {command}" in str(caught.value)
    assert caught.value.file == f"splits[cats-111111] {OLD[:12]}"
    assert "\n" not in str(caught.value)


def test_a_warning_does_not_close_a_gate(instance: dg.DagsterInstance) -> None:
    data = materialize(instance, OLD)
    evaluate(instance, data, passed=False, severity=dg.AssetCheckSeverity.WARN)
    require_gates(instance, data, [GATE])
    members, rejected = current_of_all_partitions(instance, VIDEO.key("splits"), [GATE])
    assert (list(members), rejected) == (["cats-111111"], {})


def test_every_gate_must_be_open(instance: dg.DagsterInstance) -> None:
    data = materialize(instance, OLD)
    evaluate(instance, data, passed=True)
    assert refusal(instance, data, GATE, OTHER_GATE) == "gate_never_ran"
    evaluate(instance, data, passed=False, gate=OTHER_GATE)
    assert refusal(instance, data, GATE, OTHER_GATE) == "gate_failed"
    require_gates(instance, data, [GATE])


def test_two_partitions_do_not_influence_each_other_even_with_the_same_bytes(instance: dg.DagsterInstance) -> None:
    cats, dogs = materialize(instance, OLD, "cats-111111"), materialize(instance, OLD, "dogs-222222")
    evaluate(instance, cats, passed=True)
    assert refusal(instance, dogs) == "gate_never_ran"
    evaluate(instance, dogs, passed=False)
    assert refusal(instance, dogs) == "gate_failed"
    require_gates(instance, cats, [GATE])
    members, rejected = current_of_all_partitions(instance, VIDEO.key("splits"), [GATE])
    assert (list(members), list(rejected)) == (["cats-111111"], ["dogs-222222"])
    assert "burnt_in_overlay" in rejected["dogs-222222"]


def test_a_gate_that_never_ran_is_not_said_to_have_failed(instance: dg.DagsterInstance) -> None:
    """An update that brings a new check closes it for what was imported before."""
    evaluate(instance, materialize(instance, OLD), passed=True)
    members, rejected = current_of_all_partitions(instance, VIDEO.key("splits"), [GATE, OTHER_GATE])
    assert members == {}
    why = "gate not measured: no_leakage; import it again: sam2-assets launch ingest cats-111111"
    assert rejected == {"cats-111111": why}


def test_the_corpus_has_gates_of_its_own(instance: dg.DagsterInstance) -> None:
    video, corpus = materialize(instance, OLD), materialize(instance, OLD, None, CORPUS)
    evaluate(instance, video, passed=True, gate=OTHER_GATE)
    gate = CORPUS.gate("splits", "no_leakage")
    assert refusal(instance, corpus, gate) == "gate_never_ran"
    evaluate(instance, corpus, passed=True, gate=gate)
    require_gates(instance, corpus, [gate])


def test_an_old_verdict_is_found_behind_many_newer_ones_on_other_data(instance: dg.DagsterInstance) -> None:
    old = materialize(instance, OLD)
    evaluate(instance, old, passed=True)
    for number in range(60):
        evaluate(instance, materialize(instance, f"{number:064x}"), passed=False)
    require_gates(instance, old, [GATE])
