"""The inbox: uploaded exports with what belongs to each, and the partition key that an upload has for good.

``inbox/day1/cats.zip`` may have ``inbox/day1/cats.mp4`` (or another video suffix) and ``inbox/day1/cats.settings.yaml``
beside it. Names are the same in a folder and in a bucket.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sam2_assets.errors import ExportError, GateError
from sam2_assets.storage import Storage, StoredFile

VIDEO_SUFFIXES = (
    ".mp4",
    ".mov",
    ".m4v",
    ".mkv",
    ".webm",
    ".avi",
    ".3gp",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".flv",
    ".ogv",
)
"""What a video beside an export may end in, in capitals too; the first is taken where there are several."""
SETTINGS_SUFFIX = ".settings.yaml"
_OTHER_ARCHIVES = (".7z", ".rar", ".tar", ".gz", ".tgz")


@dataclass(frozen=True)
class Upload:
    """One export in the inbox with its companions; ``object_key`` is the ZIP's name inside the inbox."""

    object_key: str
    archive: StoredFile
    video: StoredFile | None
    settings: StoredFile | None

    @property
    def partition(self) -> str:
        """The partition key, see ``partition_key``."""
        return partition_key(self.object_key)

    @property
    def settings_name(self) -> str:
        """Where this upload's settings file is, or would be."""
        return _beside(self.object_key, SETTINGS_SUFFIX)

    @property
    def files(self) -> list[StoredFile]:
        """The ZIP and those companions that are there."""
        return [file for file in (self.archive, self.video, self.settings) if file is not None]

    @property
    def touched(self) -> float:
        """When the last of its files was written, seconds since the epoch."""
        return max(file.modified for file in self.files)

    def fingerprint(self) -> str:
        """Changes when the ZIP, the video or the settings are written anew."""
        parts = [[PurePosixPath(file.name).name, file.version] for file in self.files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _beside(name: str, suffix: str) -> str:
    """The name of a companion of a ZIP."""
    return f"{name[: -len(PurePosixPath(name).suffix)]}{suffix}"


def _videos_beside(name: str, files: Container[str]) -> list[str]:
    """Videos of a ZIP's name among ``files``, in the order of ``VIDEO_SUFFIXES``; phones write capitals."""
    spelled = (_beside(name, each) for suffix in VIDEO_SUFFIXES for each in (suffix, suffix.upper()))
    return [video for video in spelled if video in files]


def partition_key(object_key: str) -> str:
    """A readable slug of the object key and a short hash of it.

    The hash keeps ``a b.zip`` and ``a_b.zip`` apart; the slug has no spaces, commas or consecutive dots, on which
    Dagster's UI trips. A re-upload under the same key is a new version of the same partition.
    """
    stem = object_key.removesuffix(".zip").removesuffix(".ZIP")
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-").lower()[:48].strip("-") or "export"
    return f"{slug}-{hashlib.sha256(object_key.encode()).hexdigest()[:6]}"


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _stem(name: str) -> str | None:
    """The name that an export and its companions have in common; None for a file that is neither.

    Hidden files and macOS droppings are not exports.
    """
    path = PurePosixPath(name)
    if _is_hidden(name):
        return None
    if name.endswith(SETTINGS_SUFFIX):
        return name.removesuffix(SETTINGS_SUFFIX)
    if path.suffix.lower() in (".zip", *VIDEO_SUFFIXES):
        return name.removesuffix(path.suffix)
    return None


def _uploads(files: Mapping[str, StoredFile]) -> Iterator[Upload]:
    """The exports among some files."""
    for name, file in sorted(files.items()):
        if PurePosixPath(name).suffix.lower() == ".zip":
            video = next((files[v] for v in _videos_beside(name, files)), None)
            yield Upload(name, file, video, files.get(_beside(name, SETTINGS_SUFFIX)))


class Pairing:
    """Puts exports and their companions together from a sorted listing, which may come in pieces.

    All names that begin with ``cats.`` follow each other in a listing. So an upload is complete as soon as another name
    comes, and at any moment only as many are open as the last name has dots.

    Args:
        held: what ``held`` gave at the end of the piece before.
    """

    def __init__(self, held: Iterable[StoredFile] = ()) -> None:
        self._open: dict[str, dict[str, StoredFile]] = {}
        for file in held:
            self._keep(file)

    def _keep(self, file: StoredFile) -> None:
        stem = _stem(file.name)
        if stem is not None:
            self._open.setdefault(stem, {})[file.name] = file

    @property
    def held(self) -> list[StoredFile]:
        """The files of uploads that may have more files behind the last one."""
        return [file for files in self._open.values() for file in files.values()]

    def add(self, file: StoredFile) -> list[Upload]:
        """Take the next file of the listing; the uploads that it shows to be complete."""
        done = [self._open.pop(stem) for stem in list(self._open) if not file.name.startswith(f"{stem}.")]
        self._keep(file)
        return [upload for files in done for upload in _uploads(files)]

    def end(self) -> list[Upload]:
        """The listing ended; the uploads that were open."""
        done, self._open = list(self._open.values()), {}
        return [upload for files in done for upload in _uploads(files)]


def companions(upload: Upload) -> frozenset[str]:
    """The names under which the ZIP and its video and settings could arrive."""
    names = {upload.object_key, upload.settings_name}
    for suffix in VIDEO_SUFFIXES:
        names |= {_beside(upload.object_key, suffix), _beside(upload.object_key, suffix.upper())}
    return frozenset(names)


def scan(inbox: Storage) -> list[Upload]:
    """Every export in the inbox, by object key."""
    return list(_uploads({file.name: file for file in inbox.list() if _stem(file.name) is not None}))


def unused(inbox: Storage) -> list[str]:
    """Files in the inbox that were surely meant for something and are not read, each as a sentence that says why."""
    names = sorted(file.name for file in inbox.list() if not _is_hidden(file.name))
    exports = {_stem(name) for name in names if PurePosixPath(name).suffix.lower() == ".zip"}
    found = []
    for name in names:
        path = PurePosixPath(name)
        suffix, stem = path.suffix.lower(), _stem(name)
        if stem is not None and stem not in exports:
            found.append(f"{name} belongs to no export: there is no {stem}.zip")
        elif stem is None and path.name == "annotations.json":
            found.append(f"{name} is of an unpacked export: put its ZIP here")
        elif suffix in _OTHER_ARCHIVES:
            found.append(f"{name} is not read: an export is a .zip file")
        elif stem is None and (suffix in (".yaml", ".yml") or ".settings." in path.name):
            found.append(f"{name} is not read: settings are in NAME{SETTINGS_SUFFIX}, beside NAME.zip")
    return found


def find_upload(inbox: Storage, partition: str) -> Upload:
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
        file=inbox.shown(),
        field="partition",
        value=partition,
        remedy="Put the ZIP back under its old name; `sam2-assets status` lists what is there.",
    )


def settings_name_of(archive: Path) -> str:
    """Where the settings file of a local export is once it is submitted, or would be."""
    return _beside(f"{archive.stem}.zip", SETTINGS_SUFFIX)


def refuse_unfit(inbox: Storage, archive: Path, *, video: Path | None = None, settings: Path | None = None) -> None:
    """Refuse files that ``submit`` would not take; nothing is read and nothing is changed.

    Raises:
        ExportError: ``not_a_file``, ``not_a_zip`` or ``unknown_video_suffix``.
        GateError: ``name_taken`` when a different video would be left beside the new ZIP.
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
    target = f"{archive.stem}.zip"
    videos = _videos_beside(target, {file.name for file in inbox.list()})
    if video is None and videos and inbox.stat(target) is not None:
        raise GateError(
            "name_taken",
            "an export of this name with a source video is in the inbox already",
            file=inbox.shown(videos[0]),
            remedy="Give --video for the new version too, or rename the ZIP.",
        )


def submit(inbox: Storage, archive: Path, *, video: Path | None = None, settings: Path | None = None) -> Upload:
    """Copy an export and its companions into the inbox, the ZIP last, each appearing whole.

    Raises:
        ExportError, GateError: see ``refuse_unfit``.
    """
    refuse_unfit(inbox, archive, video=video, settings=settings)
    target = f"{archive.stem}.zip"
    if video is not None:
        new = _beside(target, video.suffix.lower())
        for name in _videos_beside(target, {file.name for file in inbox.list()}):
            if name != new:
                inbox.remove(name)
        inbox.put(video, new)
    if settings is not None:
        inbox.put(settings, _beside(target, SETTINGS_SUFFIX))
    inbox.put(archive, target)
    return next(upload for upload in scan(inbox) if upload.object_key == target)
