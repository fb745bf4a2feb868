"""Finds an export's files inside an archive, however people zipped it again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sam2_assets.errors import ExportError
from sam2_assets.exports.archive import Archive

ANNOTATIONS: Final = "annotations.json"
SEGMENTS_INDEX: Final = "segments_index.json"
_METADATA: Final = ("metadata.json", "metadata.txt")
# the demo's, the proposal's example, and pictures that lie beside the annotations
_PICTURE_FOLDERS: Final = ("images", "frames", "")
_PICTURE: Final = re.compile(r"^frame_(\d{1,9})\.(png|jpg|jpeg)$", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A folder with an annotations document.

    Args:
        folder: its name below the export's own folder; empty for the export itself.
        annotations: the annotations document.
        metadata: ``metadata.json`` (or ``.txt``, as the demo's testing guide has it); None if absent.
        others: the other JSON documents of the folder.
    """

    folder: str
    annotations: str
    metadata: str | None
    others: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Members of an archive that make up an export.

    Args:
        parts: one, or one a segment.
        index: ``segments_index.json`` of an export of action segments.
        pictures: frame index -> picture.
    """

    parts: tuple[Part, ...]
    index: str | None
    pictures: dict[int, str]

    @property
    def annotations(self) -> str:
        """The document that errors about the whole export name."""
        return self.parts[0].annotations if self.index is None else self.index

    @property
    def metadata(self) -> str | None:
        """The metadata of an export of one part."""
        return self.parts[0].metadata if self.index is None else None


def find_layout(archive: Archive) -> Layout:
    """Locate the export inside ``archive``: at the top or below parent folders, ignoring what macOS adds.

    Raises:
        ExportError: ``no_annotations``, ``several_exports``, ``duplicate_picture``.
    """
    members = [PurePosixPath(name) for name in archive.members if not _is_clutter(PurePosixPath(name))]
    found = [path for path in members if path.name == ANNOTATIONS]
    indices = [path for path in members if path.name == SEGMENTS_INDEX]
    if not found:
        raise ExportError(
            "no_annotations",
            f"the archive has no {ANNOTATIONS}",
            remedy="Upload the ZIP that the SAM2 demo's export wrote.",
            file=archive.name,
        )
    root = indices[0].parent if indices else found[0].parent
    outside = [path for path in found if path.parent != root] if not indices else []
    outside += [path for path in found if indices and path.parent.parent != root]
    if outside or len(indices) > 1:
        several = indices if len(indices) > 1 else found
        raise ExportError(
            "several_exports",
            f"the archive has {len(several)} files {several[0].name} that do not belong together",
            remedy="Upload one ZIP a video.",
            file=archive.name,
            value=[str(path) for path in several],
        )
    pictures: dict[int, str] = {}
    for path in found:
        _add_pictures(pictures, archive, members, path.parent)
    return Layout(tuple(_part(path, members, root) for path in found), str(indices[0]) if indices else None, pictures)


def _part(annotations: PurePosixPath, members: list[PurePosixPath], root: PurePosixPath) -> Part:
    folder = annotations.parent
    metadata = next((folder / name for name in _METADATA if folder / name in members), None)
    others = [p for p in members if p.parent == folder and p.suffix == ".json" and p not in (annotations, metadata)]
    return Part(
        "" if folder == root else str(folder.relative_to(root)),
        str(annotations),
        None if metadata is None else str(metadata),
        tuple(map(str, others)),
    )


def _is_clutter(path: PurePosixPath) -> bool:
    return path.parts[0] == "__MACOSX" or path.name.startswith("._") or path.name == ".DS_Store"


def _add_pictures(
    pictures: dict[int, str], archive: Archive, members: list[PurePosixPath], folder: PurePosixPath
) -> None:
    folders = {folder / name for name in _PICTURE_FOLDERS}
    for path in members:
        match = _PICTURE.match(path.name)
        if path.parent not in folders or match is None:
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
