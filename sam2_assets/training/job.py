"""``JOB.json``: where the training child finds its plan and data, and where it may write."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.errors import SettingsError


class TrainingJob(BaseModel):
    """Local paths only, so that the same command runs on any machine; relative ones count from the job file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Path = Field(description="plan.json of the published training plan")
    splits: Path = Field(description="folder published by splits")
    datasets: dict[str, Path] = Field(description="video id to the folder of its instruction dataset")
    work: Path = Field(description="checkpoints and live curves; kept between attempts of the same plan")
    out: Path = Field(description="folder to write the result into; made if absent")

    @classmethod
    def read(cls, file: Path) -> TrainingJob:
        """Read a job file.

        Raises:
            SettingsError: ``job_missing`` or ``job_invalid``.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                "job_missing", f"cannot be read ({error})", file=str(file), remedy="Name a readable job file."
            ) from error
        try:
            job = cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise SettingsError(
                "job_invalid",
                str(first["msg"]),
                file=str(file),
                field=".".join(str(part) for part in first["loc"]) or None,
                remedy="A job has plan, splits, datasets, work and out; docs/architecture.md describes them.",
            ) from error
        return job._below(file.resolve().parent)

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _below(self, folder: Path) -> TrainingJob:
        return TrainingJob(
            plan=folder / self.plan,
            splits=folder / self.splits,
            datasets={video: folder / path for video, path in self.datasets.items()},
            work=folder / self.work,
            out=folder / self.out,
        )
