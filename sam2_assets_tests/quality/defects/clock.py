"""What the export says about time, and about how sure it is."""

from __future__ import annotations

from sam2_assets_tests.quality.defects.defect import Defect

DEFECTS: tuple[Defect, ...] = ()
