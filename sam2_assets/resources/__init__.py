"""Dagster resources: what the assets need from outside."""

from sam2_assets.resources.store import StoreResource

__all__ = ["StoreResource"]
