"""One switch for all that starts by itself: what the definitions hold with it on and off."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.definitions import build_definitions

ON = AutomationSettings(retrain_anyway="0 3 1 * *")
OFF = AutomationSettings(enabled=False, retrain_anyway="0 3 1 * *")
STARTS_NOTHING = {"notifications"}


def conditioned(definitions: dg.Definitions) -> set[str]:
    specs = definitions.resolve_all_asset_specs()
    return {spec.key.to_user_string() for spec in specs if spec.automation_condition is not None}


def test_switched_on_the_conditions_reach_to_the_plan_and_run_without_a_click(tmp_path: Path) -> None:
    definitions = build_definitions(str(tmp_path), ON)
    assert conditioned(definitions) == {
        "instruction_dataset",
        "quality_report",
        "splits",
        "training_plan",
        "corpus/splits",
        "corpus/training_plan",
    }
    sensors = list(definitions.sensors or ())
    assert {"inbox", "conditions", "trainings"} < {sensor.name for sensor in sensors}
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}
    assert [schedule.name for schedule in definitions.schedules or ()] == ["retrain_anyway"]


def test_switched_off_no_condition_no_schedule_and_no_sensor_starts_anything(tmp_path: Path) -> None:
    definitions = build_definitions(str(tmp_path), OFF)
    assert conditioned(definitions) == set()
    assert list(definitions.schedules or ()) == []
    store = definitions.resources["store"]  # type: ignore[index]
    store.open().inbox.write("cats.zip", b"x")
    with dg.DagsterInstance.ephemeral() as instance:
        for sensor in definitions.sensors or ():
            if sensor.name in STARTS_NOTHING:
                continue
            assert isinstance(sensor, dg.SensorDefinition)
            outcome = sensor(dg.build_sensor_context(instance=instance, resources={"store": store}))
            assert isinstance(outcome, dg.SkipReason), sensor.name
            assert "switched off" in str(outcome.skip_message)
