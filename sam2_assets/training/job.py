"""The job of the training child: where it finds its plan and data, and where it may write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from sam2_assets.training.job_file import JobFile


class TrainingJob(JobFile):
    """What ``python -m sam2_assets.training`` takes."""

    CHILD: ClassVar[str] = "sam2_assets.training"

    plan: Path = Field(description="plan.json of the published training plan")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    work: Path = Field(description="checkpoints and live curves; kept between attempts of the same plan")
    out: Path = Field(description="folder to write the result into; made if absent")
