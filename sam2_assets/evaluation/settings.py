"""What a person can choose about an evaluation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSettings(BaseModel):
    """Settings of ``evaluate``; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_samples: int | None = Field(
        None, ge=1, description="measure at most so many test samples, evenly spread; empty: all of them"
    )
    batch_size: int = Field(
        8, ge=1, description="questions asked at once of base model and control; more is faster and takes memory"
    )
    as_served: bool = Field(
        True,
        description="the fine-tuned model answers one question at a time, as the server does, so that the deployed "
        "server can be held to these answers; false: in batches, faster, but rounding may differ from the server's",
    )
    draws: int = Field(10_000, ge=100, description="bootstrap draws behind every interval")
    gallery_cases: int = Field(6, ge=0, le=50, description="worst and as many best cases drawn as pictures")
    seed: int = Field(0, ge=0, description="of the control's pictures and of the bootstrap")
