"""What every asset does around its own work: read inputs through their gates, publish one folder, record both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from sam2_assets.assets.forms import filled
from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.checks.gates import require_gates
from sam2_assets.errors import Sam2AssetsError, StoreError
from sam2_assets.resources import StoreResource
from sam2_assets.settings import Resolved
from sam2_assets.splitting import CustomFile, SplitSettings, parse_custom
from sam2_assets.store import ArtifactRef, Draft, Published


@contextmanager
def failures_explained() -> Iterator[None]:
    """Show a user's error in the UI as one sentence with its fields, and do not retry it."""
    try:
        yield
    except Sam2AssetsError as error:
        fields = {name: value for name, value in error.as_dict().items() if value is not None and name != "message"}
        raise dg.Failure(description=str(error), metadata=fields, allow_retries=False) from error


def custom_file(station: Station, settings: SplitSettings) -> CustomFile | None:
    """The file that strategy custom follows, from the store's root; None for other strategies.

    Raises:
        DatasetError: see ``parse_custom``.
    """
    if settings.strategy != "custom":
        return None
    return parse_custom(station.store.files.read(settings.custom_file), settings.custom_file)


class Station:
    """One asset's step, seen from the store.

    Args:
        context: of the step.
        store: the resource.
        section: the settings section this asset obeys, if any.
        form: the launchpad form of that section, if any.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, store: StoreResource, section: str = "", form: dg.Config | None = None
    ) -> None:
        self.context = context
        self.resource = store
        self.store = store.open()
        self.partition = context.partition_key if context.has_partition_key else None
        self.inputs: dict[str, Materialized] = {}
        self._section = section
        self._form = form

    def settings(self) -> Resolved:
        """Resolved for this partition, with this run's launchpad form on top."""
        chosen = {self._section: filled(self._form)} if self._form is not None else {}
        return self.resource.settings(self.partition, chosen)

    def take(self, key: dg.AssetKey, gates: Sequence[dg.AssetCheckKey] = (), name: str | None = None) -> Materialized:
        """The current version of an upstream asset, once its gates are known to have passed on it.

        Raises:
            StoreError: ``not_materialized``.
            GateError: see ``require_gates``.
        """
        found = current(self.context.instance, key, self.partition, self.context.run.run_id)
        if found is None:
            where = f"[{self.partition}]" if self.partition else ""
            raise StoreError(
                "not_materialized",
                "there is no version of it yet",
                file=f"{key.to_user_string()}{where}",
                remedy="Materialize it first.",
            )
        require_gates(self.context.instance, found, gates)
        self.inputs[name or key.path[-1]] = found
        return found

    def folder(self, ref: Materialized | ArtifactRef) -> Path:
        """The verified folder of an artifact."""
        return self.store.open(ref.ref if isinstance(ref, Materialized) else ref)

    @contextmanager
    def publish(self, extra_inputs: Mapping[str, ArtifactRef] | None = None) -> Iterator[Draft]:
        """A draft that is published when the block ends; its inputs are recorded in the manifest."""
        key, run = self.context.asset_key, self.context.run.run_id
        with self.store.draft(key.path, self.partition, run) as draft:
            draft.inputs.update({name: taken.ref for name, taken in self.inputs.items()})
            draft.inputs.update(extra_inputs or {})
            yield draft

    def result(self, published: Published | None, metadata: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
        """The materialization: where the artifact is, its hash as data version, and what a person wants to see.

        The two tags per input say which version was really read; Dagster's own guess is from the start of the step.
        """
        if published is None:
            raise RuntimeError("the draft was not published")
        tags: dict[str, str] = {}
        for taken in self.inputs.values():
            name = taken.key.to_user_string()
            tags[f"dagster/input_data_version/{name}"] = taken.ref.sha256
            tags[f"dagster/input_event_pointer/{name}"] = str(taken.storage_id)
        facts: dict[str, Any] = {
            "uri": dg.MetadataValue.url(self.store.uri(published)),
            "path": published.path,
            "sha256": published.sha256,
            "size_bytes": published.size_bytes,
            "files": published.files,
        }
        return dg.MaterializeResult(
            metadata={**metadata, **facts}, data_version=dg.DataVersion(published.sha256), tags=tags
        )
