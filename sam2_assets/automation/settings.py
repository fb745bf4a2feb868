"""What a deployment decides about automation, by environment variables: they are read when Dagster loads the code."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sam2_assets.errors import SettingsError

PREFIX = "SAM2_ASSETS_AUTOMATION_"
SWITCH = "SAM2_ASSETS_AUTOMATION"
SWITCHED_OFF = f"automation is switched off ({SWITCH})"


class AutomationSettings(BaseModel):
    """Each field is the variable ``SAM2_ASSETS_AUTOMATION_<FIELD>``; ``enabled`` is ``SAM2_ASSETS_AUTOMATION``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(True, description="on or off; with off nothing starts by itself")
    wait_for_video_s: float = Field(
        60.0, ge=0, le=86400, description="so long a ZIP without a video waits for one, in seconds"
    )
    retrain: str = Field(
        "0 2 * * *", description="cron of the corpus's retraining, which happens only if there is new data"
    )
    retrain_anyway: str = Field(
        "", description="cron of a retraining of the corpus without new data, e.g. 0 3 1 * *; empty: never"
    )
    timezone: str = Field("UTC", description="of both crons")

    @field_validator("retrain", "retrain_anyway")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        from dagster._utils.schedules import is_valid_cron_schedule

        if value and not is_valid_cron_schedule(value):
            raise ValueError("not a cron schedule: five fields, e.g. 0 2 * * *")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not a time zone, e.g. Europe/Zurich") from error
        return value

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        return SWITCH if name == "enabled" else f"{PREFIX}{name.upper()}"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> AutomationSettings:
        """From environment variables.

        Raises:
            SettingsError: ``invalid_setting``, naming the variable; ``unknown_setting`` for one that means nothing.
        """
        known = {cls.variable(name): name for name in cls.model_fields}
        for variable in environment:
            if variable.startswith(PREFIX) and variable not in known:
                raise SettingsError(
                    "unknown_setting",
                    "there is no such setting",
                    field=variable,
                    value=environment[variable],
                    remedy=f"One of: {', '.join(known)}.",
                )
        values = {name: environment[variable] for variable, name in known.items() if variable in environment}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(
                "invalid_setting",
                first["msg"],
                field=cls.variable(str(first["loc"][0])),
                value=first["input"],
                remedy="See docs/automation.md.",
            ) from error
