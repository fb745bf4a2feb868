"""Gates that hold for exactly the data that is read.

Dagster stops a run at a failed blocking check, but a run that starts further down never meets the check. So every asset
that reads through a gate asks for the verdict on the very artifact it reads: each check writes the hash of the data it
looked at into its evaluation. (``target_materialization_data`` is no help: it names the newest materialization when the
check ends, and with two runs under way a pass was seen recorded against data that nobody checked.)
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from sam2_assets.assets.lineage import EVALUATED, Materialized, closes
from sam2_assets.checks.verdicts import WAYS_ON
from sam2_assets.errors import GateError

_PAGE = 50


def verdict(
    instance: dg.DagsterInstance, gate: dg.AssetCheckKey, data: Materialized
) -> AssetCheckExecutionRecord | None:
    """The newest evaluation of a gate on exactly this data."""
    cursor = None
    while page := instance.event_log_storage.get_asset_check_execution_history(
        gate, limit=_PAGE, cursor=cursor, status=EVALUATED, partition_filter=PartitionKeyFilter(key=data.partition)
    ):
        for record in page:
            version = record.evaluation.metadata.get("data_version") if record.evaluation else None
            if version is not None and version.value == data.ref.sha256:
                return record
        cursor = page[-1].id
    return None


def require_gates(instance: dg.DagsterInstance, data: Materialized, gates: Sequence[dg.AssetCheckKey]) -> None:
    """Refuse to read data whose gates have not passed.

    Raises:
        GateError: ``gate_never_ran`` or ``gate_failed``, naming the gate and the data.
    """
    for gate in gates:
        record = verdict(instance, gate, data)
        if record is None:
            raise GateError(
                "gate_never_ran",
                f"gate {gate.name} never ran on this data",
                file=data.name,
                remedy=f"Materialize {data.key.to_user_string()} with its checks, then run this again.",
            )
        evaluation = record.evaluation
        if evaluation is None or closes(evaluation):
            why = str(evaluation.metadata["message"].value) if evaluation and "message" in evaluation.metadata else ""
            raise GateError(
                "gate_failed",
                f"gate {gate.name} failed{': ' + why if why else ''}",
                file=data.name,
                remedy=_remedy(gate.name, evaluation, data.partition),
            )


def _remedy(gate: str, evaluation: dg.AssetCheckEvaluation | None, partition: str | None) -> str:
    given = str(evaluation.metadata["remedy"].value) if evaluation and "remedy" in evaluation.metadata else ""
    ways = [given or "Materialize it again with better data."]
    for name, words in WAYS_ON.items():
        if evaluation is not None and name in evaluation.metadata:
            ways.append(f"{words[:1].upper()}{words[1:]} {evaluation.metadata[name].value}")
    return " ".join(ways)
