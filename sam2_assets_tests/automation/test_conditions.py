"""What the conditions make of a run that ends: its gap is filled, but never in the moment in which it ended."""

from __future__ import annotations

import dagster as dg

from sam2_assets.automation.conditions import follow_upstream

PARTITIONS = dg.StaticPartitionsDefinition(["cats-20ae30"])


@dg.asset(partitions_def=PARTITIONS)
def upstream() -> None: ...


@dg.asset(partitions_def=PARTITIONS, deps=[upstream], automation_condition=follow_upstream())
def downstream() -> None:
    raise dg.Failure("it cannot be made")


JOB = dg.define_asset_job("of_a_person", selection=[downstream])
LINE = dg.define_asset_job("line", selection=[upstream, downstream])
DEFINITIONS = dg.Definitions(assets=[upstream, downstream], jobs=[JOB, LINE])


def test_a_run_that_was_just_seen_to_end_is_not_launched_again_and_a_cancelled_one_is_made_up_for() -> None:
    instance = dg.DagsterInstance.ephemeral()
    job = DEFINITIONS.resolve_job_def("of_a_person")
    assert dg.materialize([upstream], partition_key="cats-20ae30", instance=instance).success
    tags = {"dagster/partition": "cats-20ae30"}
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    cursor = None

    def requested() -> int:
        nonlocal cursor
        found = dg.evaluate_automation_conditions(DEFINITIONS, instance, cursor=cursor)
        cursor = found.cursor
        return found.total_requested

    assert [requested(), requested()] == [0, 0]
    instance.report_run_canceled(run)
    # What it made may be in the records only after its end: whether it left a gap shows in the next tick.
    assert requested() == 0
    assert requested() == 1


def test_what_failed_is_not_tried_again_before_there_is_news() -> None:
    instance = dg.DagsterInstance.ephemeral()
    cursor = None

    def requested() -> int:
        nonlocal cursor
        found = dg.evaluate_automation_conditions(DEFINITIONS, instance, cursor=cursor)
        cursor = found.cursor
        return found.total_requested

    assert requested() == 0
    line = DEFINITIONS.resolve_job_def("line")
    assert not line.execute_in_process(instance=instance, partition_key="cats-20ae30", raise_on_error=False).success
    assert [requested(), requested(), requested()] == [0, 0, 0]
    # Not an obstacle for what a person makes anew.
    assert dg.materialize([upstream], partition_key="cats-20ae30", instance=instance).success
    assert requested() == 1
