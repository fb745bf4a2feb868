"""What a person can choose about the split."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Strategy = Literal["auto", "temporal", "video", "stratified", "random", "custom"]


class SplitSettings(BaseModel):
    """Settings of ``split`` and of its gates; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Strategy = Field(
        default="auto",
        description="auto = temporal for one video, and for the corpus video from min_videos videos on; temporal = "
        "each video cut in blocks of time with guards between them; video = whole videos to one side; stratified = as "
        "temporal, with val and test blocks placed where they balance the labels; random = frames shuffled, which "
        "leaks and needs leakage_waiver; custom = as custom_file says.",
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
        description="A video of which guards and near-duplicates would leave less than this share is not cut: all its "
        "frames train, and it is of use in the corpus only.",
    )
    near_duplicate_bits: int = Field(
        default=4,
        ge=0,
        le=16,
        description="Pictures whose perceptual hashes (pHash, 64 bits) differ in at most this many bits look alike; "
        "those that look like a test frame are dropped from val and train, those like a val frame from train.",
    )
    min_videos: int = Field(
        default=10,
        ge=3,
        description="Strategy auto splits a corpus of at least this many videos by video; with fewer, one video would "
        "be more than the share of val or test. A corpus that began smaller stays as it is until resplit is raised.",
    )
    max_train_frames_per_video: int | None = Field(
        default=None,
        ge=1,
        description="At most this many frames of one video train, evenly spread, so that a long video does not "
        "outweigh the others. Empty: all",
    )
    resplit: int = Field(
        default=0,
        ge=0,
        description="A video of the corpus keeps its side, and the corpus its strategy, when others arrive; a higher "
        "number deals all of them anew.",
    )
    custom_file: str = Field(
        default="splits.csv",
        min_length=1,
        description="Strategy custom: the CSV file that assigns frames; a name under the store's root, or beside a "
        "run file. docs/splits.md describes it.",
    )
    leakage_waiver: str = Field(
        default="",
        description="Why leakage is accepted (gate no_leakage); travels to the model card. Strategy random needs it.",
    )
    min_train_frames: int = Field(default=20, ge=1, description="Gate enough_samples: least frames to train on.")
    min_val_frames: int = Field(default=3, ge=0, description="Gate enough_samples: least frames to validate on.")
    min_test_frames: int = Field(default=3, ge=1, description="Gate enough_samples: least frames to test on.")
    seed: int = Field(
        default=0,
        description="Of the order in which videos and frames are dealt, and of the random split that the leakage is "
        "compared with. Another seed deals a corpus anew.",
    )

    @field_validator("leakage_waiver")
    @classmethod
    def _is_a_reason(cls, reason: str) -> str:
        return " ".join(reason.split())
