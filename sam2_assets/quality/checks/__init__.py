"""The registry of checks, in the order a report lists them; a new check is an entry in one of these modules."""

from sam2_assets.quality.check import Check
from sam2_assets.quality.checks import amounts, labels, masks, overlaps, pictures, repairs, tables, tracks

CHECKS: tuple[Check, ...] = (
    *tables.CHECKS,
    *masks.CHECKS,
    *pictures.CHECKS,
    *amounts.CHECKS,
    *overlaps.CHECKS,
    *labels.CHECKS,
    *tracks.CHECKS,
    *repairs.CHECKS,
)

__all__ = ["CHECKS"]
