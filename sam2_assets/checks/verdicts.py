"""From a core verdict to the evaluation that Dagster shows: the message, the data it is about, examples as a table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from sam2_assets.assets.lineage import Materialized
from sam2_assets.assets.showcase import clipped, findings_table
from sam2_assets.quality import CHECKS, Check, Findings, Severity, Verdict

_MOST_ROWS = 8
WAIVABLE = frozenset(check.id for check in CHECKS if check.waivable)
"""Gates that a person may open with a reason."""
TO_ACCEPT_IT, TO_ASK_FOR_LESS, TO_USE_IN_CORPUS = "to_accept_it", "to_ask_for_less", "to_use_in_corpus"
WAYS_ON = {
    TO_ACCEPT_IT: "or accept it, with a reason that the model card will print:",
    TO_ASK_FOR_LESS: "or ask for less, which makes the scores less certain:",
    TO_USE_IN_CORPUS: "or use it within the corpus only, which takes short videos too:",
}
"""Metadata of a failed gate that is a command to type, and how to say that it may be typed."""
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


def message_of(verdict: Verdict) -> str:
    """One line: waived with the reason, the first example with the number of others, or "ok"."""
    if verdict.waived_reason is not None:
        return f"waived: {verdict.waived_reason} ({verdict.count} findings)"
    if not verdict.examples:
        return "ok"
    others = f" (and {verdict.count - 1} more)" if verdict.count > 1 else ""
    return f"{clipped(verdict.examples[0])}{others}"


def waiver_command(check_id: str, partition: str | None) -> str:
    """What to type to accept a check's failure for one export."""
    return f'sam2-assets settings {partition or "PARTITION"} --set "quality.waivers.{check_id}=YOUR REASON"'


def settings_command(changes: Sequence[str], partition: str | None) -> str:
    """What to type to change settings of one export (None: of the corpus)."""
    return f"sam2-assets settings {partition or 'corpus'} {' '.join(f'--set {change}' for change in changes)}"


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
        if verdict.stops and verdict.measured and verdict.check_id in WAIVABLE:
            metadata[TO_ACCEPT_IT] = waiver_command(verdict.check_id, data.partition)
        found = findings.of(verdict.check_id)
        if len(found):
            metadata["failing_rows"] = findings_table(found.head(_MOST_ROWS))
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=verdict.check_id,
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if verdict.stops else dg.AssetCheckSeverity.WARN,
            description=message_of(verdict) if verdict.passed else f"{message_of(verdict)}. {verdict.remedy}",
            metadata=metadata,
        )
