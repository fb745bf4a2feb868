"""One setting says where the store is: the path of a folder, or ``s3://bucket/prefix``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from sam2_assets.errors import SettingsError
from sam2_assets.storage.base import Storage
from sam2_assets.storage.folder import FolderStorage
from sam2_assets.storage.s3 import S3Storage


def is_url(root: str) -> bool:
    """Whether a root is an address and not the path of a folder."""
    return "://" in root


def open_storage(root: str) -> Storage:
    """The storage at ``root``; nothing is read or written yet.

    Raises:
        SettingsError: ``unknown_root`` for an address that is neither.
    """
    if not is_url(root):
        return FolderStorage(Path(root))
    parts = urlsplit(root)
    if parts.scheme == "file":
        return FolderStorage(Path(parts.path))
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            "unknown_root",
            "the store is neither a folder nor s3://bucket/prefix",
            field="SAM2_ASSETS_ROOT",
            value=root,
            remedy="Give a path or an S3 address; the server's own address goes into AWS_ENDPOINT_URL.",
        )
    return S3Storage(parts.netloc, parts.path.strip("/"))
