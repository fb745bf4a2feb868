"""Train, val and test: frames or whole videos are assigned by a strategy, with the evidence that the score means
something beside it."""

from sam2_assets.splitting.checks import GateResult, enough_samples, no_leakage
from sam2_assets.splitting.custom import CustomFile, parse_custom
from sam2_assets.splitting.facts import Member, Source, describe, read_members
from sam2_assets.splitting.settings import SplitSettings
from sam2_assets.splitting.splitting import SplitSummary, read_splits, split
from sam2_assets.splitting.strategies import Previous

__all__ = [
    "CustomFile",
    "GateResult",
    "Member",
    "Previous",
    "Source",
    "SplitSettings",
    "SplitSummary",
    "describe",
    "enough_samples",
    "no_leakage",
    "parse_custom",
    "read_members",
    "read_splits",
    "split",
]
