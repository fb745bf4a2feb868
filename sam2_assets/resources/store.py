"""The artifact store as a Dagster resource, and the settings files that lie in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from sam2_assets.inbox import find_upload
from sam2_assets.settings import CORPUS_FILE, PROJECT_FILE, Layer, Resolved, read_layer, resolve
from sam2_assets.store import Store

ROOT_VARIABLE = "SAM2_ASSETS_ROOT"
DEFAULT_ROOT = "var/store"


def default_root() -> str:
    """The store's root: ``$SAM2_ASSETS_ROOT``, else ``var/store`` under the working directory."""
    return os.environ.get(ROOT_VARIABLE, DEFAULT_ROOT)


class StoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where artifacts, the inbox, approvals and work in progress live."""

    root: str

    def open(self) -> Store:
        """The store behind it."""
        return Store(Path(self.root))

    def settings(self, partition: str | None, launchpad: Mapping[str, Any] | None = None) -> Resolved:
        """The settings for a partition (None: the corpus), see ``sam2_assets.settings``.

        Raises:
            SettingsError: for any layer that cannot be followed.
            ExportError: when the partition's upload is gone.
        """
        store = self.open()
        sidecar = store.root / CORPUS_FILE if partition is None else find_upload(store.inbox, partition).settings
        layers = [read_layer(store.root / PROJECT_FILE), read_layer(sidecar)]
        return resolve([*layers, Layer("launchpad", launchpad or {})])
