"""From a measured adapter to something that can be handed over: model repository, card, server, build context.

Importing this package loads no torch; ``python -m sam2_assets.packaging JOB.json`` is the child process that deploys.
"""

from sam2_assets.packaging.card_gate import card_problems
from sam2_assets.packaging.job import MEASURED_FILES
from sam2_assets.packaging.repository import RepositorySummary, write_repository
from sam2_assets.packaging.settings import DeploymentSettings, ModelCardSettings

__all__ = [
    "MEASURED_FILES",
    "DeploymentSettings",
    "ModelCardSettings",
    "RepositorySummary",
    "card_problems",
    "write_repository",
]
