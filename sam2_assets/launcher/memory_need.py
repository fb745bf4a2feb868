"""How much memory of a card a run needs: what a person said in a tag, else what its training plan estimated."""

from __future__ import annotations

import dagster as dg

from sam2_assets.assets.scope import CORPUS, VIDEO
from sam2_assets.errors import LaunchError

NEED_TAG = "sam2_assets/gpu_memory_gib"
"""Run tag by which a person overrides the plan's estimate."""
_PARTITION_TAG = "dagster/partition"
_FIELD = "memory_gib"
_MIB = 1024


def needed_mib(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The need of a run in MiB; None if there is neither a tag nor a plan.

    Raises:
        LaunchError: ``bad_memory_need`` for a tag that is not a positive number.
    """
    said = run.tags.get(NEED_TAG)
    if said is not None:
        try:
            gib = float(said)
        except ValueError:
            gib = -1.0
        if not 0 < gib < float("inf"):
            raise LaunchError(
                "bad_memory_need",
                "the card memory a run needs is a positive number of GiB",
                field=NEED_TAG,
                value=said,
                remedy="Set the tag to a number, or leave it away: then the plan's estimate counts.",
            )
        return round(gib * _MIB)
    partition = run.tags.get(_PARTITION_TAG)
    key = (VIDEO if partition else CORPUS).key("training_plan")
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None), limit=1
    ).records
    if not found or found[0].asset_materialization is None:
        return None
    figure = found[0].asset_materialization.metadata.get(_FIELD)
    return None if figure is None else round(float(str(figure.value)) * _MIB)
