"""The job of the packaging child: what to package, what to compare with, and where to write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from sam2_assets.packaging.settings import DeploymentSettings
from sam2_assets.training.job_file import JobFile

IMAGE_FILE: Final = "image.json"
VERIFICATION_FILE: Final = "verification.json"
BUILT_FILE: Final = "built.json"
LOG_FILE: Final = "build.log"
MEASURED_FILES: Final = (VERIFICATION_FILE, BUILT_FILE, LOG_FILE)
"""What differs from run to run: clock times, and what an engine made of the context."""


class DeploymentJob(JobFile):
    """What ``python -m sam2_assets.packaging`` takes; ``base_model`` is a name, not a path of the job."""

    CHILD: ClassVar[str] = "sam2_assets.packaging"

    repository: Path = Field(description="folder published by model_card")
    evaluation: Path = Field(description="folder published by evaluation: the answers that count")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    out: Path = Field(description="folder to write the result into; made if absent")
    base_model: str | None = Field(None, description="folder or hub id; empty: plan, environment or repository say it")
    plan: Path | None = Field(None, description="plan.json or its folder: where the base model lay in training")
    settings: DeploymentSettings = DeploymentSettings()
    image: str | None = Field(
        None, description="build an image with this name, which is a partition or `corpus`; empty: the context only"
    )
