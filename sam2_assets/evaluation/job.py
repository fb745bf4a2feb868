"""``JOB.json`` of the evaluation child: what to measure, on what, and where to write."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.errors import SettingsError
from sam2_assets.evaluation.settings import EvaluationSettings


class EvaluationJob(BaseModel):
    """Local paths only, so that the same command runs on any machine; relative ones count from the job file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Path = Field(description="plan.json of the published training plan")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    adapter: Path = Field(description="folder published by lora_adapter")
    out: Path = Field(description="folder to write the result into; made if absent")
    work: Path | None = Field(None, description="ignored: an evaluation keeps nothing between attempts")
    settings: EvaluationSettings = EvaluationSettings()

    @classmethod
    def read(cls, file: Path) -> EvaluationJob:
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
                remedy="A job has plan, splits, datasets, adapter, out and settings; see docs/architecture.md.",
            ) from error
        folder = file.resolve().parent
        return job.model_copy(
            update={
                "plan": folder / job.plan,
                "splits": folder / job.splits,
                "datasets": {video: folder / path for video, path in job.datasets.items()},
                "adapter": folder / job.adapter,
                "out": folder / job.out,
            }
        )

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
