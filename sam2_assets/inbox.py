"""The inbox: uploaded exports with what belongs to each, and the partition key that an upload has for good.

``inbox/day1/cats.zip`` may have ``inbox/day1/cats.mp4`` (or another video suffix) and ``inbox/day1/cats.settings.yaml``
beside it. The ZIP comes last: whoever uploads pairs puts the video and the settings first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from sam2_assets.errors import ExportError, GateError

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
SETTINGS_SUFFIX = ".settings.yaml"
_DRAFT_PREFIX = ".draft-"


@dataclass(frozen=True)
class Upload:
    """One export in the inbox with its companions; ``object_key`` is the ZIP's path inside the inbox."""

    object_key: str
    archive: Path
    video: Path | None
    settings: Path

    @property
    def partition(self) -> str:
        """The partition key, see ``partition_key``."""
        return partition_key(self.object_key)

    def fingerprint(self) -> str:
        """Changes when the ZIP, the video or the settings change (name, size and modification time)."""
        parts: list[object] = []
        for path in (self.archive, self.video, self.settings):
            if path is not None and path.exists():
                stat = path.stat()
                parts.append([path.name, stat.st_size, stat.st_mtime_ns])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def partition_key(object_key: str) -> str:
    """A readable slug of the object key and a short hash of it.

    The hash keeps ``a b.zip`` and ``a_b.zip`` apart; the slug has no spaces, commas or consecutive dots, on which
    Dagster's UI trips. A re-upload under the same key is a new version of the same partition.
    """
    stem = object_key.removesuffix(".zip").removesuffix(".ZIP")
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-").lower()[:48].strip("-") or "export"
    return f"{slug}-{hashlib.sha256(object_key.encode()).hexdigest()[:6]}"


def scan(inbox: Path) -> list[Upload]:
    """Every export in the inbox, by object key; hidden files and macOS droppings are not exports."""
    if not inbox.is_dir():
        return []
    uploads = []
    for path in sorted(inbox.rglob("*")):
        key = path.relative_to(inbox)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in key.parts)
        if hidden or path.suffix.lower() != ".zip" or not path.is_file():
            continue
        video = next((v for s in VIDEO_SUFFIXES if (v := path.with_suffix(s)).is_file()), None)
        uploads.append(Upload(key.as_posix(), path, video, path.with_name(path.stem + SETTINGS_SUFFIX)))
    return uploads


def find_upload(inbox: Path, partition: str) -> Upload:
    """The upload behind a partition.

    Raises:
        ExportError: ``no_such_upload`` when the ZIP was taken away.
    """
    for upload in scan(inbox):
        if upload.partition == partition:
            return upload
    raise ExportError(
        "no_such_upload",
        "no export in the inbox has this partition key",
        file=str(inbox),
        field="partition",
        value=partition,
        remedy="Put the ZIP back under its old name; `sam2-assets status` lists what is there.",
    )


def _place(source: Path, target: Path) -> None:
    draft = target.with_name(f"{_DRAFT_PREFIX}{os.getpid()}-{target.name}")
    shutil.copyfile(source, draft)
    draft.replace(target)


def submit(inbox: Path, archive: Path, *, video: Path | None = None, settings: Path | None = None) -> Upload:
    """Copy an export and its companions into the inbox, the ZIP last, each by one rename.

    Raises:
        ExportError: ``not_a_file`` or ``unknown_video_suffix``.
        GateError: ``name_taken`` when a different video or settings file would be left beside the new ZIP.
    """
    for path in (archive, video, settings):
        if path is not None and not path.is_file():
            raise ExportError("not_a_file", "there is no such file", file=str(path), remedy="Check the path.")
    if archive.suffix.lower() != ".zip":
        raise ExportError(
            "not_a_zip", "an export is a .zip file", file=str(archive), remedy="Give the ZIP the demo downloaded."
        )
    if video is not None and video.suffix.lower() not in VIDEO_SUFFIXES:
        raise ExportError(
            "unknown_video_suffix",
            f"a video ends in one of {', '.join(VIDEO_SUFFIXES)}",
            file=str(video),
            remedy="Rename or convert it.",
        )
    inbox.mkdir(parents=True, exist_ok=True)
    target = inbox / f"{archive.stem}.zip"
    stale = [p for s in VIDEO_SUFFIXES if (p := target.with_suffix(s)).exists()] if video is None else []
    if stale and target.exists():
        raise GateError(
            "name_taken",
            "an export of this name with a source video is in the inbox already",
            file=str(stale[0]),
            remedy="Give --video for the new version too, or rename the ZIP.",
        )
    if video is not None:
        for suffix in VIDEO_SUFFIXES:
            if suffix != video.suffix.lower():
                target.with_suffix(suffix).unlink(missing_ok=True)
        _place(video, target.with_suffix(video.suffix.lower()))
    if settings is not None:
        _place(settings, target.with_name(target.stem + SETTINGS_SUFFIX))
    _place(archive, target)
    return next(upload for upload in scan(inbox) if upload.archive == target)
