"""What people name on the command line: a partition or the corpus, and the artifacts of either."""

from __future__ import annotations

import difflib

from sam2_assets import inbox
from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.assets.scope import CORPUS, VIDEO, Scope
from sam2_assets.cli.activity import CORPUS_NAME
from sam2_assets.cli.instance import Platform
from sam2_assets.errors import StoreError
from sam2_assets.partitions import videos

STATIONS = (
    "raw_export",
    "instruction_dataset",
    "quality_report",
    "splits",
    "training_plan",
    "lora_adapter",
    "evaluation",
    "model_card",
    "deploy_image",
)
_MOST_LISTED = 10


def scope_of(name: str) -> tuple[Scope, str | None]:
    """The scope behind a name, and its partition key (None: the corpus)."""
    return (CORPUS, None) if name == CORPUS_NAME else (VIDEO, name)


def require_known(platform: Platform, name: str) -> tuple[Scope, str | None]:
    """As ``scope_of``, of a name that exists.

    Raises:
        StoreError: ``unknown_partition``, with the names that are nearest.
    """
    scope, partition = scope_of(name)
    if partition is None:
        return scope, None
    known = {*platform.instance.get_dynamic_partitions(str(videos.name))}
    known |= {upload.partition for upload in inbox.scan(platform.store.open().inbox)}
    if partition not in known:
        # A key is the export's name and a hash, which nobody remembers.
        begun = [key for key in sorted(known) if key.startswith(partition)][:3]
        near = begun or difflib.get_close_matches(partition, known, n=3)
        listed = near or sorted(known)[:_MOST_LISTED]
        words = f"{'Did you mean' if near else 'One of'}: {', '.join([*listed, CORPUS_NAME])}."
        raise StoreError(
            "unknown_partition",
            "there is no such partition",
            field="partition",
            value=name,
            remedy=words if known else "There is none yet: submit an export first.",
        )
    return scope, partition


def has_station(scope: Scope, name: str) -> bool:
    """Whether there is such an asset in this scope: the corpus begins with its splits."""
    return scope.partitions is not None or name in STATIONS[STATIONS.index("splits") :]


def versions(platform: Platform, scope: Scope, partition: str | None) -> dict[str, Materialized]:
    """The current version of every asset that has one, by name, in the order of the line."""
    names = [name for name in STATIONS if has_station(scope, name)]
    found = {name: current(platform.instance, scope.key(name), partition) for name in names}
    return {name: at for name, at in found.items() if at is not None}
