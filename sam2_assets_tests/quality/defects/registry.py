"""All defects: a theme is a module, and its tuple an entry here."""

from sam2_assets_tests.quality.defects import amounts, clock, labels, masks, pictures, records, tracks
from sam2_assets_tests.quality.defects.defect import Defect

ALL: tuple[Defect, ...] = (
    *records.DEFECTS,
    *masks.DEFECTS,
    *tracks.DEFECTS,
    *labels.DEFECTS,
    *amounts.DEFECTS,
    *clock.DEFECTS,
    *pictures.DEFECTS,
)
