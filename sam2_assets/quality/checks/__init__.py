"""The registry of checks, in the order a report lists them; a new check is an entry in one of these modules."""

from sam2_assets.quality.check import Check
from sam2_assets.quality.checks import (
    amounts,
    clock,
    identity,
    labels,
    masks,
    overlaps,
    pictures,
    pixels,
    records,
    repairs,
    shapes,
    tables,
    tracks,
)

CHECKS: tuple[Check, ...] = (
    *tables.CHECKS,
    *records.CHECKS,
    *masks.CHECKS,
    *shapes.CHECKS,
    *pictures.CHECKS,
    *pixels.CHECKS,
    *amounts.CHECKS,
    *overlaps.CHECKS,
    *labels.CHECKS,
    *tracks.CHECKS,
    *identity.CHECKS,
    *clock.CHECKS,
    *repairs.CHECKS,
)

__all__ = ["CHECKS"]
