"""Going back to an earlier model: a run's tag names the run that made it, and it becomes the newest version again.

Nothing is trained and nothing copied: a second materialization points to the same folder, with the same data version,
so what stands behind it is made from it, and new data later takes its place.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from sam2_assets.assets.lineage import materialized
from sam2_assets.assets.station import Station
from sam2_assets.errors import StoreError

ROLLBACK_TAG = "sam2_assets/rollback_to"
"""Tag of a run: the id of the run whose version is wanted."""
_PAGE = 100
_OF_INPUTS = ("dagster/input_data_version/", "dagster/input_event_pointer/")


def earlier_version(station: Station) -> dg.MaterializeResult[Any] | None:
    """The version that the run asks for, verified; None if it asks for none.

    Raises:
        StoreError: ``no_such_version``, or as ``Store.open`` says of one that is damaged or gone.
    """
    wanted = station.context.run.tags.get(ROLLBACK_TAG)
    if wanted is None:
        return None
    key, cursor, more = station.context.asset_key, None, True
    of = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[station.partition] if station.partition else None)
    while more:
        page = station.context.instance.fetch_materializations(of, limit=_PAGE, cursor=cursor)
        for record in page.records:
            made, event = materialized(record), record.asset_materialization
            if made is not None and event is not None and made.run_id == wanted:
                station.folder(made)
                tags = {name: value for name, value in (event.tags or {}).items() if name.startswith(_OF_INPUTS)}
                return dg.MaterializeResult(
                    metadata={**event.metadata, "rolled_back_to": wanted},
                    data_version=dg.DataVersion(made.ref.sha256),
                    tags=tags,
                )
        cursor, more = page.cursor, page.has_more
    raise StoreError(
        "no_such_version",
        "that run made no version of it",
        file=key.to_user_string(),
        field=ROLLBACK_TAG,
        value=wanted,
        remedy="Take the whole run id from the asset's materializations.",
    )
