"""What a person can choose about the split."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SplitSettings(BaseModel):
    """Settings of ``split`` and of its gates; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Literal["temporal"] = Field(
        default="temporal", description="How a video is cut: temporal = blocks of time with guards between them."
    )
    train: float = Field(default=0.8, gt=0, lt=1, description="Share of the frames left after guards to train on.")
    val: float = Field(default=0.1, gt=0, lt=1, description="Share used to choose during training.")
    test: float = Field(default=0.1, gt=0, lt=1, description="Share held back for the scores.")
    guard_gap_s: float = Field(
        default=1.0,
        ge=0.001,
        description="Least time, in seconds, between frames of different splits; the frames between are not used.",
    )
    segments: int = Field(
        default=1,
        ge=1,
        description="Cut each video in this many equal lengths of time, each with its own train, val and test block: "
        "more independent test blocks, more guards.",
    )
    block_s: float = Field(
        default=1.0,
        gt=0,
        description="Test frames are grouped in blocks of about this many seconds; confidence intervals resample them.",
    )
    min_kept_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A video of which the guards would leave less than this share is not cut: all its frames train.",
    )
    min_train_frames: int = Field(default=20, ge=1, description="Gate enough_samples: least frames to train on.")
    min_val_frames: int = Field(default=3, ge=0, description="Gate enough_samples: least frames to validate on.")
    min_test_frames: int = Field(default=3, ge=1, description="Gate enough_samples: least frames to test on.")
    seed: int = Field(default=0, description="Of the random split whose leakage is shown for comparison.")
