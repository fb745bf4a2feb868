"""The errors of a readable video that is not the one an export was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sam2_assets.errors import ExportError

_REMEDY: Final = (
    "Give the file the demo transcoded for this session, or the video that was uploaded to it, unedited; or leave the "
    "video out."
)
_TELL: Final = "State importing.video_seek_s (the seek the demo was given, usually 0), or give the transcoded file."


def mismatch(path: Path, field: str, value: str, problem: str) -> ExportError:
    """``video_mismatch``: size, number of frames, clock or pixels."""
    return ExportError("video_mismatch", problem, remedy=_REMEDY, file=path.name, field=field, value=value)


def ambiguous(path: Path, value: str, problem: str) -> ExportError:
    """``video_ambiguous``: several places of the video fit."""
    return ExportError("video_ambiguous", problem, remedy=_TELL, file=path.name, field="seek", value=value)


def unverifiable(path: Path) -> ExportError:
    """``video_unverifiable``: an upload, and nothing to compare it with."""
    return ExportError(
        "video_unverifiable",
        "it is not the transcoded file (other size or number of frames), and the export has no picture that shows "
        "where its cut begins",
        remedy=_TELL,
        file=path.name,
    )
