"""From a core verdict to the evaluation that Dagster shows: the message, the data it is about, examples as a table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from sam2_assets.assets.lineage import Materialized
from sam2_assets.quality import Check, Findings, Severity, Verdict

_MOST_ROWS = 8
# Partitioned checks are a preview of Dagster, which is why its version is pinned exactly. Without partitions one bad
# video would block all others.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)


def spec(check: Check, asset: dg.AssetKey, partitions: dg.PartitionsDefinition[str] | None) -> dg.AssetCheckSpec:
    """The asset check of a core check: blocking if its failure gates a station."""
    return dg.AssetCheckSpec(
        name=check.id,
        asset=asset,
        blocking=check.gates is not None and check.severity is Severity.ERROR,
        description=check.meaning,
        partitions_def=partitions,
    )


def _rows(findings: Findings, check_id: str) -> dg.TableMetadataValue | None:
    found = findings.of(check_id).head(_MOST_ROWS)
    if found.empty:
        return None
    columns = ["frame_index", "object_id", "value", "message"]
    records = [
        dg.TableRecord({c: None if row[c] is None or row[c] != row[c] else _plain(row[c]) for c in columns})
        for row in found[columns].astype(object).where(found[columns].notna(), None).to_dict("records")
    ]
    kinds = {"frame_index": "int", "object_id": "int", "value": "float", "message": "string"}
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kinds[name]) for name in columns])
    return dg.MetadataValue.table(records, schema)


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, str | int | float) else str(value)


def message_of(verdict: Verdict) -> str:
    """One line: waived with the reason, the first example with the number of others, or "ok"."""
    if verdict.waived_reason is not None:
        return f"waived: {verdict.waived_reason} ({verdict.count} findings)"
    if not verdict.examples:
        return "ok"
    others = f" (and {verdict.count - 1} more)" if verdict.count > 1 else ""
    return f"{verdict.examples[0]}{others}"


def results(
    findings: Findings, data: Materialized, asset: dg.AssetKey, verdicts: Sequence[Verdict]
) -> Iterator[dg.AssetCheckResult]:
    """The evaluations of some verdicts, about exactly this data."""
    for verdict in verdicts:
        metadata: dict[str, Any] = {
            "data_version": data.ref.sha256,
            "message": message_of(verdict),
            "findings": verdict.count,
            "remedy": verdict.remedy,
        }
        if verdict.threshold is not None:
            metadata["threshold"] = f"quality.{verdict.threshold[0]} = {verdict.threshold[1]:g}"
        rows = _rows(findings, verdict.check_id)
        if rows is not None:
            metadata["failing_rows"] = rows
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=verdict.check_id,
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if verdict.stops else dg.AssetCheckSeverity.WARN,
            description=message_of(verdict) if verdict.passed else f"{message_of(verdict)} {verdict.remedy}",
            metadata=metadata,
        )
