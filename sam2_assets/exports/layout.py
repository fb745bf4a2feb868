"""Finds an export's files inside an archive, however people zipped it again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.archive import Archive

ANNOTATIONS: Final = "annotations.json"
_METADATA: Final = ("metadata.json", "metadata.txt")
_PICTURE: Final = re.compile(r"^frame_(\d{1,9})\.(png|jpg|jpeg)$", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Members of an archive that make up a version 1 export.

    Args:
        annotations: the annotations document.
        metadata: ``metadata.json`` (or ``.txt``, as the demo's testing guide has it); None if absent.
        pictures: frame index -> picture.
    """

    annotations: str
    metadata: str | None
    pictures: dict[int, str]


def find_layout(archive: Archive) -> Layout:
    """Locate the export inside ``archive``: at the top or below parent folders, ignoring what macOS adds.

    Raises:
        ExportError: ``unsupported_layout``, ``no_annotations``, ``several_exports``, ``duplicate_picture``.
    """
    members = [PurePosixPath(name) for name in archive.members if not _is_clutter(PurePosixPath(name))]
    for path in members:
        if path.name == "segments_index.json":
            raise ExportError(
                "unsupported_layout",
                "unsupported layout: action segments (version 2)",
                remedy="Only the version 1 layout of the SAM2 demo's exporter is read; export with it.",
                file=archive.name,
                value=str(path),
            )
    found = [path for path in members if path.name == ANNOTATIONS]
    if not found:
        raise ExportError(
            "no_annotations",
            f"the archive has no {ANNOTATIONS}",
            remedy="Upload the ZIP that the SAM2 demo's export wrote.",
            file=archive.name,
        )
    if len(found) > 1:
        raise ExportError(
            "several_exports",
            f"the archive has {len(found)} files {ANNOTATIONS}",
            remedy="Upload one ZIP a video.",
            file=archive.name,
            value=[str(path) for path in found],
        )
    root = found[0].parent
    metadata = next((root / name for name in _METADATA if root / name in members), None)
    return Layout(
        str(found[0]), None if metadata is None else str(metadata), _pictures(archive, members, root / "images")
    )


def _is_clutter(path: PurePosixPath) -> bool:
    return path.parts[0] == "__MACOSX" or path.name.startswith("._") or path.name == ".DS_Store"


def _pictures(archive: Archive, members: list[PurePosixPath], folder: PurePosixPath) -> dict[int, str]:
    pictures: dict[int, str] = {}
    for path in members:
        match = _PICTURE.match(path.name)
        if path.parent != folder or match is None:
            continue
        index = int(match.group(1))
        if index in pictures:
            raise ExportError(
                "duplicate_picture",
                f"{PurePosixPath(pictures[index]).name} is a picture of the same frame",
                remedy="Keep one picture a frame.",
                file=f"{archive.name}/{path}",
            )
        pictures[index] = str(path)
    return pictures
