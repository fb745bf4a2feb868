"""Files under one root: a folder, or a bucket of an S3 server. What ``store``, ``inbox`` and ``workarea`` stand on."""

from sam2_assets.storage.base import Page, Storage, StoredFile
from sam2_assets.storage.folder import FolderStorage
from sam2_assets.storage.location import is_url, open_storage
from sam2_assets.storage.s3 import S3Storage

__all__ = ["FolderStorage", "Page", "S3Storage", "Storage", "StoredFile", "is_url", "open_storage"]
