"""The artifact store as a Dagster resource, and the settings files that lie in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from sam2_assets.inbox import find_upload
from sam2_assets.settings import CORPUS_FILE, PROJECT_FILE, Layer, Resolved, Settings, parse_layer, resolve
from sam2_assets.storage import Storage, is_url, open_storage
from sam2_assets.store import Store

ROOT_VARIABLE = "SAM2_ASSETS_ROOT"
INBOX_VARIABLE = "SAM2_ASSETS_INBOX"
DEFAULT_ROOT = "var/store"


def default_root() -> str:
    """The store's root: ``$SAM2_ASSETS_ROOT`` (a folder or ``s3://bucket/prefix``), else ``var/store``.

    Folders are made absolute: they count from the working directory of whoever asks first.
    """
    root = os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT
    return root if is_url(root) else str(Path(root).resolve())


def default_inbox() -> str:
    """Where exports are dropped: ``$SAM2_ASSETS_INBOX`` (a folder or ``s3://bucket/prefix``); empty: in the store."""
    place = os.environ.get(INBOX_VARIABLE, "")
    return place if not place or is_url(place) else str(Path(place).resolve())


class StoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where artifacts, the inbox, approvals and work in progress live."""

    root: str
    inbox: str = ""

    def open(self) -> Store:
        """The store behind it."""
        return Store(open_storage(self.root), open_storage(self.inbox) if self.inbox else None)

    def settings(self, partition: str | None, launchpad: Mapping[str, Any] | None = None) -> Resolved:
        """The settings for a partition (None: the corpus), see ``sam2_assets.settings``.

        Raises:
            SettingsError: for any layer that cannot be followed.
            ExportError: when the partition's upload is gone.
        """
        store = self.open()
        places = [(store.files, PROJECT_FILE), settings_place(store, partition)]
        layers = [parse_layer(files.read(name), files.shown(name)) for files, name in places]
        return resolve([*layers, Layer("launchpad", launchpad or {})])

    def project_settings(self) -> Settings:
        """The settings of the project file alone, for what concerns no single export.

        Raises:
            SettingsError: if it cannot be followed.
        """
        files = self.open().files
        return resolve([parse_layer(files.read(PROJECT_FILE), files.shown(PROJECT_FILE))]).settings


def settings_place(store: Store, partition: str | None) -> tuple[Storage, str]:
    """Where a partition's own settings file is (None: the corpus's), or would be.

    Raises:
        ExportError: when the partition's upload is gone.
    """
    if partition is None:
        return store.files, CORPUS_FILE
    return store.inbox, find_upload(store.inbox, partition).settings_name
