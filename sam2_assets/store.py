"""Where published artifacts live: folders that are complete, hashed, and never changed afterwards.

An artifact is a folder at ``<asset>/<partition>/<run>`` under the store's root, with a ``manifest.json`` that lists the
SHA-256 of every file and the artifacts it was made from. It is written as a draft under a hidden name beside its place
and appears by one rename, so a crash at any instant leaves the old state or the new one. Its identity is the SHA-256
over the names and hashes of its files (but for measured clock times): the same bytes have the same identity whichever
run made them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sam2_assets.errors import StoreError

MANIFEST = "manifest.json"
CORPUS = "corpus"
"""The partition name of artifacts that have no partition."""
_DRAFT_PREFIX = ".draft-"
_ABANDONED_AFTER_S = 7 * 24 * 3600


@dataclass(frozen=True)
class ArtifactRef:
    """A published artifact: its place under the store's root, and the hash of its contents."""

    path: str
    sha256: str

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return {"path": self.path, "sha256": self.sha256}


@dataclass(frozen=True)
class Published(ArtifactRef):
    """What publishing a draft gave."""

    size_bytes: int
    files: int


@dataclass
class Draft:
    """A folder that is being filled; ``published`` is there once the ``with`` block has ended well."""

    folder: Path
    measured: set[str] = field(default_factory=set)
    """Files that hold clock times: kept and checked like all others, but no part of the artifact's identity."""
    inputs: dict[str, ArtifactRef] = field(default_factory=dict)
    published: Published | None = None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() != MANIFEST)


def _listing(folder: Path, measured: Collection[str]) -> dict[str, dict[str, object]]:
    listing: dict[str, dict[str, object]] = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        entry: dict[str, object] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        listing[name] = {**entry, "measured": True} if name in measured else entry
    return listing


def _identity(listing: Mapping[str, Mapping[str, object]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(n for n, entry in listing.items() if "measured" not in entry):
        digest.update(f"{name}\0{listing[name]['sha256']}\n".encode())
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old contents or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{_DRAFT_PREFIX}{os.getpid()}-{path.name}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _sync(folder: Path) -> None:
    """Make the files durable before the rename makes them visible."""
    for path in [*_files(folder), folder / MANIFEST, folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Store:
    """Artifacts under one root folder.

    Args:
        root: the folder; made if it is absent.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def inbox(self) -> Path:
        """Where exports are dropped."""
        return self.root / "inbox"

    @property
    def work(self) -> Path:
        """Checkpoints and events of runs that are under way."""
        return self.root / "work"

    def uri(self, ref: ArtifactRef) -> str:
        """The artifact's address, to click or to hand to other tools."""
        return (self.root / ref.path).as_uri()

    def _place(self, asset: Sequence[str], partition: str | None, run_id: str) -> Path:
        # A corpus asset's key already begins with the prefix "corpus".
        parts = [*asset, *([partition] if partition else [])]
        return self.root.joinpath("artifacts", *parts, run_id)

    @contextmanager
    def draft(self, asset: Sequence[str], partition: str | None, run_id: str) -> Iterator[Draft]:
        """A fresh folder to fill; published when the block ends, deleted when it raises.

        Args:
            asset: the asset key's parts.
            partition: the partition key, or None.
            run_id: of the run that makes it; a second artifact of the same run gets a counter.

        Raises:
            StoreError: ``disk_full`` where there is no room left, ``empty_artifact`` where nothing was written.
        """
        place = self._place(asset, partition, run_id)
        folder = place.with_name(f"{_DRAFT_PREFIX}{run_id}-{os.getpid()}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._sweep(place.parent, run_id)
            folder.mkdir()
            draft = Draft(folder)
            yield draft
            draft.published = self._publish(draft, place)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StoreError(
                "disk_full",
                f"no room left while writing {'/'.join(asset)}",
                file=str(self.root),
                remedy="Free space or move the store (SAM2_ASSETS_ROOT), then run again; nothing published is lost.",
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, parent: Path, run_id: str) -> None:
        """Remove drafts that a killed process left: this run's own at once, others when they are a week old."""
        for leftover in parent.glob(f"{_DRAFT_PREFIX}*"):
            own = leftover.name.startswith(f"{_DRAFT_PREFIX}{run_id}-")
            if own or time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(leftover, ignore_errors=True)

    def _publish(self, draft: Draft, place: Path) -> Published:
        listing = _listing(draft.folder, draft.measured)
        if not listing:
            raise StoreError(
                "empty_artifact", "nothing was written", file=str(place), remedy="This is a defect: report it."
            )
        sha256 = _identity(listing)
        manifest = {
            "sha256": sha256,
            "inputs": {name: ref.as_dict() for name, ref in sorted(draft.inputs.items())},
            "files": listing,
        }
        (draft.folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        _sync(draft.folder)
        target, attempt = place, 1
        while target.exists():
            attempt += 1
            target = place.with_name(f"{place.name}.{attempt}")
        draft.folder.rename(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        size = sum(int(str(entry["bytes"])) for entry in listing.values())
        return Published(target.relative_to(self.root).as_posix(), sha256, size, len(listing))

    def manifest(self, ref: ArtifactRef) -> dict[str, object]:
        """The artifact's manifest.

        Raises:
            StoreError: ``artifact_missing``.
        """
        path = self.root / PurePosixPath(ref.path) / MANIFEST
        try:
            loaded: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(
                "artifact_missing",
                "the artifact is not there",
                file=str(path.parent),
                remedy="Restore it, or materialize the asset again.",
            ) from error
        return loaded

    def inputs(self, ref: ArtifactRef) -> dict[str, ArtifactRef]:
        """The artifacts that this one was made from, by the name its maker gave them."""
        recorded = self.manifest(ref)["inputs"]
        if not isinstance(recorded, dict):
            raise TypeError(f"{ref.path}: manifest without inputs")
        return {name: ArtifactRef(str(entry["path"]), str(entry["sha256"])) for name, entry in recorded.items()}

    def open_file(self, ref: ArtifactRef, name: str) -> Path:
        """One file of an artifact, after it was hashed and compared; the others are not read.

        Raises:
            StoreError: ``artifact_missing`` or ``artifact_damaged``.
        """
        recorded = self.manifest(ref)["files"]
        path = self.root / PurePosixPath(ref.path) / name
        known = recorded.get(name) if isinstance(recorded, dict) else None
        if known is None or not path.is_file() or file_sha256(path) != known["sha256"]:
            raise _damaged(path)
        return path

    def open(self, ref: ArtifactRef) -> Path:
        """The artifact's folder, after every file was hashed and compared.

        Raises:
            StoreError: ``artifact_missing`` or ``artifact_damaged``, naming the first file that differs.
        """
        folder = self.root / PurePosixPath(ref.path)
        recorded = self.manifest(ref)["files"]
        if not isinstance(recorded, dict):
            raise TypeError(f"{ref.path}: manifest without files")
        found = _listing(folder, [name for name, entry in recorded.items() if "measured" in entry])
        differing = sorted(name for name in {*recorded, *found} if recorded.get(name) != found.get(name))
        if differing or _identity(found) != ref.sha256:
            raise _damaged(folder / (differing[0] if differing else MANIFEST))
        return folder


def _damaged(path: Path) -> StoreError:
    return StoreError(
        "artifact_damaged",
        "the file is not what was published",
        file=str(path),
        remedy="Restore it from a backup, or materialize the asset again.",
    )
