"""Checks as data, what they find, and the report that shows it: is this video's annotation fit to train on?"""

from sam2_assets.quality.assess import assess, refuse_pointless_waivers
from sam2_assets.quality.check import Check
from sam2_assets.quality.checks import CHECKS
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Finding, Findings, FindingsTable, Severity, Stage, Verdict
from sam2_assets.quality.pictures import preview_picture
from sam2_assets.quality.report import report_page, write_report
from sam2_assets.quality.settings import QualitySettings

__all__ = [
    "CHECKS",
    "Check",
    "Context",
    "Finding",
    "Findings",
    "FindingsTable",
    "QualitySettings",
    "Severity",
    "Stage",
    "Verdict",
    "assess",
    "preview_picture",
    "refuse_pointless_waivers",
    "report_page",
    "write_report",
]
