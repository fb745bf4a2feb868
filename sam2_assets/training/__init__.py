"""Fine-tuning with LoRA: configuration, model families, plan, loop, checkpoints.

Importing this package loads neither torch nor transformers; ``python -m sam2_assets.training JOB.json`` is the child
process that does.
"""

from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import Estimate, PastRun
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.plan import Plan, PlanCheck, make_plan, needs_approval

__all__ = [
    "Estimate",
    "PastRun",
    "Plan",
    "PlanCheck",
    "TrainingConfig",
    "TrainingJob",
    "make_plan",
    "needs_approval",
]
