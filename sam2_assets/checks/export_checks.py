"""The checks on ``raw_export``: what makes its tables unsound blocks the line, the rest warns."""

from collections.abc import Iterator

import dagster as dg

from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.assets.station import failures_explained
from sam2_assets.checks.verdicts import results, spec
from sam2_assets.errors import StoreError
from sam2_assets.partitions import videos
from sam2_assets.quality import CHECKS, Severity, Stage, assess
from sam2_assets.resources import StoreResource
from sam2_assets.tables import Tables

_KEY = VIDEO.key("raw_export")
# Info checks list facts for the report and cannot fail; what gates training hangs on the splits.
_SHOWN = [c for c in CHECKS if c.severity is not Severity.INFO and c.gates is not Stage.TRAINING_PLAN]


@dg.multi_asset_check(name="export_checks", specs=[spec(check, _KEY, videos) for check in _SHOWN])
def export_checks(context: dg.AssetCheckExecutionContext, store: StoreResource) -> Iterator[dg.AssetCheckResult]:
    """Measures the tables of one export, by the thresholds of its settings files."""
    with failures_explained():
        data = current(context.instance, _KEY, context.partition_key, context.run.run_id)
        if data is None:
            raise StoreError(
                "not_materialized",
                "there is no version of it yet",
                file=_KEY.to_user_string(),
                remedy="Materialize it.",
            )
        folder = store.open().open(data.ref)
        findings = assess(Tables.read(folder), folder, store.settings(context.partition_key).settings.quality)
        shown = {check.id for check in _SHOWN}
        yield from results(findings, data, _KEY, [v for v in findings.verdicts if v.check_id in shown])
