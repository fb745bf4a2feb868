"""What a user can choose about reading an export: bounds, the assumed clock, the label map."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sam2_assets.exports.labels import clean_text

MIB = 1024**2
GIB = 1024**3


class MalwareScanSettings(BaseModel):
    """Where the ClamAV daemon listens, if uploads are to be scanned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = Field(
        None,
        min_length=1,
        description="host:port, or path of the socket, of a clamd; exports and videos are refused unread if it finds "
        "something, and if it cannot be asked. Empty: no scan",
    )
    timeout_s: float = Field(120.0, gt=0, description="seconds to wait for the daemon to connect, take data or answer")

    @field_validator("address")
    @classmethod
    def _address_is_one(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("/"):
            host, colon, port = value.rpartition(":")
            if not host or not colon or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError("give host:port (127.0.0.1:3310), or the absolute path of a socket")
        return value


class ImportSettings(BaseModel):
    """Settings of ``read_export``. The bounds are generous for 10,000 frames at 1080p and stop archive bombs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fps_assumed: float = Field(
        24.0,
        gt=0,
        le=1000,
        description="frames per second that the demo transcodes to; used where no transcoded file tells",
    )
    frame_width: int | None = Field(
        None, ge=1, le=16_384, description="width in pixels of the video of an export that does not state it"
    )
    frame_height: int | None = Field(
        None, ge=1, le=16_384, description="height in pixels of the video of an export that does not state it"
    )
    label_map: dict[str, str] = Field(
        default_factory=dict, description="label as the export spells it (or as cleaned) -> label to use"
    )
    evidence_frames: int = Field(
        8, ge=1, le=1000, description="frames looked at to decide scan order, overlay and agreement of the source video"
    )
    malware_scan: MalwareScanSettings = Field(
        default_factory=MalwareScanSettings, description="a ClamAV daemon that looks at uploads before they are read"
    )
    max_directory_bytes: int = Field(
        32 * MIB, ge=1, description="most bytes the archive's table of contents may have; about 300,000 members"
    )
    video_seek_s: float | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="second of the uploaded video at which the demo's cut begins, where known; else it is searched for",
    )
    max_video_frames: int = Field(100_000, ge=1, description="most frames of a source video that are decoded")
    max_video_pixels: int = Field(8192 * 4320, ge=1, description="most pixels a frame of the source video may have")
    max_members: int = Field(200_000, ge=1, description="most members the archive may have")
    max_total_bytes: int = Field(64 * GIB, ge=1, description="most bytes all members may unpack to")
    max_member_bytes: int = Field(GIB, ge=1, description="most bytes one member may unpack to")
    max_ratio: float = Field(
        300.0, gt=1, description="most bytes a packed byte may unpack to, in members larger than 16 MiB unpacked"
    )
    max_document_bytes: int = Field(512 * MIB, ge=1, description="most bytes a JSON document may have")
    max_document_values: int = Field(
        5_000_000, ge=1, description="most values a JSON document may have; each takes about 100 bytes of memory"
    )
    max_objects: int = Field(300_000, ge=1, description="most objects in all frames together")
    max_objects_per_frame: int = Field(
        300, ge=1, description="most objects in one frame; the checks compare every two of them"
    )
    max_mask_bytes: int = Field(
        256 * MIB, ge=1, description="most bytes of compressed run lengths of all masks together, column by column"
    )
    max_frame_pixels: int = Field(
        4096 * 4096, ge=1, description="most pixels a frame may have; some ten frames are in memory at once"
    )
    max_picture_bytes: int = Field(128 * MIB, ge=1, description="most bytes a picture in the archive may have")

    @field_validator("label_map")
    @classmethod
    def _labels_not_blank(cls, value: dict[str, str]) -> dict[str, str]:
        for raw, label in value.items():
            if not clean_text(label):
                raise ValueError(f"label_map[{raw!r}] is blank; give the label to use")
        return value
