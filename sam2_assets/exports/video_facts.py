"""Size and length of the video an export was made from, for layouts whose annotations do not state them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.document import LONGEST_LABEL, MOST_FRAMES, side
from sam2_assets.exports.documents import Documents
from sam2_assets.exports.layout import Part

_SECTIONS: Final = ("video_info", "video")


@dataclass(frozen=True)
class VideoFacts:
    """What is known about the video.

    Args:
        width: pixels.
        height: pixels.
        total_frames: of the video; None if nobody knows.
        origin: where width and height come from.
        fps: as stated.
        filename: as stated.
    """

    width: int
    height: int
    total_frames: int | None
    origin: str
    fps: float | None = None
    filename: str = ""

    def length(self, last_index: int) -> tuple[int, str]:
        """Frames of the video, and where the number comes from: at least up to the last annotated one."""
        if self.total_frames is None:
            return last_index + 1, "last annotated frame"
        return self.total_frames, self.origin


def stated_facts(documents: Documents, part: Part) -> VideoFacts | None:
    """What the metadata document of a part states about the video; None if it states no size."""
    if part.metadata is None:
        return None
    try:
        root = documents.field(part.metadata)
    except ExportError as error:
        if error.code not in ("bad_json", "duplicate_key"):
            raise
        return None
    if not isinstance(root.value, dict):
        return None
    section = next((found for name in _SECTIONS if (found := root.get(name)) is not None), None)
    if section is None or not isinstance(section.value, dict) or not {"width", "height"} <= section.value.keys():
        return None
    total, fps, name = section.get("total_frames"), section.get("fps"), section.get("filename")
    return VideoFacts(
        width=side(section.need("width")),
        height=side(section.need("height")),
        total_frames=total.integer(1, MOST_FRAMES) if total else None,
        origin="metadata",
        fps=fps.number(0, 1000) if fps else None,
        filename=name.text(LONGEST_LABEL) if name else "",
    )
