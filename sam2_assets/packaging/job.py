"""``JOB.json`` of the deployment child: what to package, what to compare with, and where to write."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.errors import SettingsError
from sam2_assets.packaging.settings import DeploymentSettings


class DeploymentJob(BaseModel):
    """Local paths only; relative ones count from the job file, except ``base_model``, which is taken as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: Path = Field(description="folder published by model_card")
    evaluation: Path = Field(description="folder published by evaluation: the answers that count")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    out: Path = Field(description="folder to write the result into; made if absent")
    base_model: str | None = Field(None, description="folder or hub id; empty: plan, environment or repository say it")
    plan: Path | None = Field(None, description="plan.json or its folder: where the base model lay in training")
    settings: DeploymentSettings = DeploymentSettings()

    @classmethod
    def read(cls, file: Path) -> DeploymentJob:
        """Read a job file.

        Raises:
            SettingsError: ``job_missing`` or ``job_invalid``.
        """
        try:
            job = cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                "job_missing", f"cannot be read ({error})", file=str(file), remedy="Name a readable job file."
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise SettingsError(
                "job_invalid",
                str(first["msg"]),
                file=str(file),
                field=".".join(str(part) for part in first["loc"]) or None,
                remedy="A job has repository, evaluation, splits, datasets and out; see docs/architecture.md.",
            ) from error
        folder = file.resolve().parent
        return job.model_copy(
            update={
                "repository": folder / job.repository,
                "evaluation": folder / job.evaluation,
                "splits": folder / job.splits,
                "datasets": {video: folder / path for video, path in job.datasets.items()},
                "out": folder / job.out,
                "plan": None if job.plan is None else folder / job.plan,
            }
        )

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
