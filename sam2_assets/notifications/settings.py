"""What a person can choose about notifications; the addresses themselves are secrets and stay in the environment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

TARGETS_VARIABLE = "SAM2_ASSETS_NOTIFY"


class NotificationSettings(BaseModel):
    """Settings of the notification sensor; only those of the project file count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variables: list[str] = Field(
        [TARGETS_VARIABLE],
        description="environment variables of the code server that hold Apprise addresses, separated by white space; "
        "none of them set: nothing is sent. Only the project file's notifications count",
    )
    ui_url: str = Field("http://127.0.0.1:3000", description="where the Dagster UI is, for the links")
    every_minutes: float = Field(
        10.0, ge=0, description="at most one message per target in this time; what happens meanwhile is gathered in one"
    )
    finished: bool = Field(True, description="tell of runs that finished")
    failed: bool = Field(True, description="tell of runs that failed")
    gate: bool = Field(True, description="tell of gates that stopped a line")
    approval: bool = Field(True, description="tell of plans that wait for an approval")

    @field_validator("variables")
    @classmethod
    def _names_only(cls, names: list[str]) -> list[str]:
        # An address here would be printed by `sam2-assets settings`, and lie readable in the store.
        if not all(name.isidentifier() for name in names):
            raise ValueError("name the environment variables that hold the addresses; an address is a secret")
        return names
