"""Reading what SAM2's demo exports, and the source video beside it, into the two tables of ``sam2_assets.tables``.

``read_export`` is the whole of it: ``archive`` opens the ZIP safely, ``layout`` finds the files, ``document`` reads the
annotations, ``evidence`` decides what nobody states, ``objects`` measures the masks, ``video`` gives clean frames.
"""

from sam2_assets.exports.importer import ExportSummary, read_export
from sam2_assets.exports.settings import ImportSettings

__all__ = ["ExportSummary", "ImportSettings", "read_export"]
