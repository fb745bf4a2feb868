"""The job of the evaluation child: what to measure, on what, and where to write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from sam2_assets.evaluation.settings import EvaluationSettings
from sam2_assets.training.job_file import JobFile


class EvaluationJob(JobFile):
    """What ``python -m sam2_assets.evaluation`` takes."""

    CHILD: ClassVar[str] = "sam2_assets.evaluation"

    plan: Path = Field(description="plan.json of the published training plan")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    adapter: Path = Field(description="folder published by lora_adapter")
    out: Path = Field(description="folder to write the result into; made if absent")
    settings: EvaluationSettings = EvaluationSettings()
