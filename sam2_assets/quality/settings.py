"""What a person can choose about quality: every threshold a check compares with, and the waivers."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_PLACEHOLDERS = [
    r"(object|obj|item|thing|mask|track|label|class|annotation)[\s_#-]*\d*",
    r"\d+",
    r"(unnamed|untitled|unknown|none|null|default|test)",
]


class QualitySettings(BaseModel):
    """Thresholds by name; shares are 0..1, areas and boxes are in frame pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    box_tolerance_px: float = Field(
        default=1.0,
        ge=0,
        description="An edge of a box may lie this many frame pixels beside its mask's or the frame's.",
    )
    area_tolerance: float = Field(
        default=0.01, ge=0, description="An area may differ from its mask's by this share of it."
    )
    max_overlap_iou: float = Field(
        default=0.7, ge=0, le=1, description="Two objects of a frame whose masks overlap more (IoU) are reported."
    )
    whole_frame_share: float = Field(
        default=0.95, gt=0, le=1, description="A mask that covers at least this share of the frame is reported."
    )
    speck_share: float = Field(
        default=0.0001, ge=0, le=1, description="A mask that covers less than this share of the frame is reported."
    )
    max_raggedness: float = Field(
        default=1.6,
        ge=1,
        le=2,
        description="Outline of a mask over its outline on every second cell: 1 is smooth, 2 changes by chance.",
    )
    max_crumbs: int = Field(
        default=50, ge=0, description="A mask with more pieces smaller than speck_share of the frame is reported."
    )
    max_apart_share: float = Field(
        default=0.15,
        gt=0,
        description="Gap between the two largest pieces of a mask, in diagonals of the frame, up to which they are one "
        "thing.",
    )
    second_piece_share: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Share of a mask that its second largest piece needs to count as a thing.",
    )
    max_missing_picture_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of the frames with objects that may be without a picture."
    )
    empty_frames: Literal["error", "negative"] = Field(
        default="error",
        description="Annotated frames that show no object: an error, or deliberate ('negative').",
    )
    min_annotated_frames: int = Field(
        default=10, ge=1, description="Fewer frames with both an object and a picture are not trained on."
    )
    min_annotations_per_class: int = Field(
        default=10, ge=1, description="A class with fewer annotations is reported as too rare to learn."
    )
    max_class_ratio: float = Field(
        default=10.0, ge=1, description="A class this many times rarer than the most frequent one is reported."
    )
    max_gap_frames: int = Field(
        default=1, ge=1, description="An object that is away for at most this many annotated frames 'vanishes'."
    )
    max_jump_share: float = Field(
        default=0.2,
        gt=0,
        description="An object's centre may move by this share of the frame's diagonal from one annotated frame to "
        "the next, beyond what it moves before or after.",
    )
    max_area_factor: float = Field(
        default=3.0,
        gt=1,
        description="A mask may grow or shrink by this factor from one annotated frame to the next, beyond what it "
        "does before or after.",
    )
    switch_iou: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Two objects whose boxes overlap the other's box of the frame before at least so much (IoU) have "
        "changed places.",
    )
    max_jump_seconds: float = Field(
        default=1.0, gt=0, description="Annotated frames further apart in time are not compared."
    )
    black_level: float = Field(
        default=0.06,
        ge=0,
        le=1,
        description="A picture is black if 99 % of its pixels are at most this bright (0 black, 1 white).",
    )
    max_highlight_share: float = Field(
        default=0.5, gt=0, le=1, description="A picture with a larger share of burnt-out pixels is overexposed."
    )
    max_shadow_share: float = Field(
        default=0.75, gt=0, le=1, description="A picture with a larger share of pixels without light is underexposed."
    )
    max_blur_rise: float = Field(
        default=0.22,
        ge=0,
        le=1,
        description="A picture whose blur (0 to 1, after Crete et al.) exceeds the median of the video's pictures by "
        "more than this is blurred.",
    )
    max_blur: float = Field(
        default=0.7, ge=0, le=1, description="A picture with more blur than this is blurred, whatever the others are."
    )
    max_wrapped_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of a picture's places where a single colour channel may leap between nothing and all; "
        "footage stays below 0.002.",
    )
    max_frozen_change: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Two pictures are the same footage if no part of them changes by more than this in brightness.",
    )
    min_frozen_move_share: float = Field(
        default=0.02,
        gt=0,
        description="An object that moves by this share of the frame's diagonal moves for certain.",
    )
    near_duplicate_bits: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Pictures whose perceptual hashes (pHash, 64 bits) differ in at most so many bits look alike.",
    )
    placeholder_labels: list[str] = Field(
        default=_PLACEHOLDERS,
        description="Regular expressions; a label that one of them matches as a whole (any case) says nothing.",
    )
    min_fps: float = Field(default=5.0, gt=0, description="A video with fewer frames a second is not believed.")
    max_fps: float = Field(default=240.0, gt=0, description="A video with more frames a second is not believed.")
    max_timestamp_error_s: float = Field(
        default=0.02,
        gt=0,
        description="Seconds that a stated time may differ from frame number over stated frame rate.",
    )
    max_duration_error_s: float = Field(
        default=0.1,
        gt=0,
        description="Seconds that the stated duration may differ from number of frames over stated frame rate.",
    )
    max_examples: int = Field(default=5, ge=1, description="Examples named per check in verdicts and report.")
    contact_sheet_frames: int = Field(default=12, ge=1, description="Frames shown in the report's contact sheet.")
    waivers: dict[str, str] = Field(
        default={}, description="Check id to the reason why its failure is accepted; travels to the model card."
    )

    @field_validator("placeholder_labels")
    @classmethod
    def _compiles(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return patterns

    @field_validator("waivers")
    @classmethod
    def _gives_reasons(cls, waivers: dict[str, str]) -> dict[str, str]:
        for check_id, reason in waivers.items():
            if not reason.strip():
                raise ValueError(f"the waiver of {check_id!r} needs a reason")
        return waivers
