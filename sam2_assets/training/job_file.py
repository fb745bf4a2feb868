"""``JOB.json``: how a child process is told where its inputs lie and where it may write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from sam2_assets.errors import SettingsError


class JobFile(BaseModel):
    """Local paths only, so that the same command runs on any machine; relative ones count from the job file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    CHILD: ClassVar[str]
    """The package that runs such a job: ``python -m CHILD JOB.json``."""

    @classmethod
    def read(cls, file: Path) -> Self:
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
                remedy=f"A job has {', '.join(cls.model_fields)}; see docs/architecture.md.",
            ) from error
        return job._below(file.resolve().parent)

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _below(self, folder: Path) -> Self:
        """The same job, its relative paths taken from ``folder``."""
        absolute: dict[str, object] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Path):
                absolute[name] = folder / value
            elif isinstance(value, dict):
                absolute[name] = {key: folder / path for key, path in value.items()}
        return self.model_copy(update=absolute)
