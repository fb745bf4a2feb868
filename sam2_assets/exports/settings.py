"""What a user can choose about reading an export: bounds, the assumed clock, the label map."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sam2_assets.exports.labels import clean_text

GIB = 1024**3


class ImportSettings(BaseModel):
    """Settings of ``read_export``. The bounds are generous for 10,000 frames at 1080p and stop archive bombs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fps_assumed: float = Field(
        24.0, gt=0, le=1000, description="frames per second where no source video tells; the demo transcodes to 24"
    )
    label_map: dict[str, str] = Field(
        default_factory=dict, description="label as the export spells it (or as cleaned) -> label to use"
    )
    evidence_frames: int = Field(
        8, ge=1, le=1000, description="frames looked at to decide scan order, overlay and agreement of the source video"
    )
    max_members: int = Field(200_000, ge=1, description="most members the archive may have")
    max_total_bytes: int = Field(64 * GIB, ge=1, description="most bytes all members may unpack to")
    max_member_bytes: int = Field(GIB, ge=1, description="most bytes one member may unpack to")
    max_ratio: float = Field(
        300.0, gt=1, description="most bytes a packed byte may unpack to, in members larger than 16 MiB unpacked"
    )

    @field_validator("label_map")
    @classmethod
    def _labels_not_blank(cls, value: dict[str, str]) -> dict[str, str]:
        for raw, label in value.items():
            if not clean_text(label):
                raise ValueError(f"label_map[{raw!r}] is blank; give the label to use")
        return value
