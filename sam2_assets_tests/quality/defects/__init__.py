"""One defect at a time, injected into a clean export: which check or refusal reports it.

A defect is data (``defect.Defect``): what is done to the export, who must report it, and a clean neighbour, that is a
legitimate export close to the defect that nobody may report. A theme's defects lie in one module; ``ALL`` is all.
"""

from sam2_assets_tests.quality.defects.defect import Case, Defect
from sam2_assets_tests.quality.defects.registry import ALL

__all__ = ["ALL", "Case", "Defect"]
