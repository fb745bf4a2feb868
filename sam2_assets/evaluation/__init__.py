"""Measuring what was learned, on the test split only, beside a base model, a control and a baseline.

Importing this package loads no torch; ``python -m sam2_assets.evaluation JOB.json`` is the child process that does.
"""

from sam2_assets.evaluation.predictions import read_predictions
from sam2_assets.evaluation.scoreboard import scoreboard
from sam2_assets.evaluation.scores import headline
from sam2_assets.evaluation.settings import EvaluationSettings

__all__ = ["EvaluationSettings", "headline", "read_predictions", "scoreboard"]
