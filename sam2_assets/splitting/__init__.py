"""Train, val and test: frames are assigned by time with guards between the splits, with the evidence beside it."""

from sam2_assets.splitting.checks import GateResult, enough_samples, no_leakage
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.splitting import Source, SplitSummary, read_splits, split

__all__ = [
    "GateResult",
    "Source",
    "SplitSettings",
    "SplitSummary",
    "enough_samples",
    "no_leakage",
    "read_splits",
    "split",
]
