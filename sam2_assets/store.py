"""Where published artifacts live: folders that are complete, hashed, and never changed afterwards.

An artifact is a folder at ``artifacts/<asset>/<partition>/<run>`` under the store's root, with a ``manifest.json`` that
lists the SHA-256 of every file and the artifacts it was made from. The root is a folder or a bucket (``storage``). An
artifact is made ready as a draft and appears in one step, its manifest last, so a crash at any instant leaves the old
state or the new one. Its identity is the SHA-256 over the names and hashes of its files (but for measured clock
times): the same bytes have the same identity whichever run made them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sam2_assets.errors import StoreError, no_room_left
from sam2_assets.storage import FolderStorage, S3Storage, Storage
from sam2_assets.storage.folder import DRAFT_PREFIX
from sam2_assets.workarea import Lease, gpu_turn, lease
from sam2_assets.workmirror import mirrored_lease

MANIFEST = "manifest.json"
INBOX = "inbox"
_ABANDONED_AFTER_S = 7 * 24 * 3600
_TRIES = 2
"""A damaged local copy is fetched once more; a damaged original is damaged."""


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


class Store:
    """Artifacts under one root.

    Args:
        files: what it keeps its files in.
        inbox: where exports are dropped; the folder ``inbox`` of the store unless another place is given.
    """

    def __init__(self, files: Storage, inbox: Storage | None = None) -> None:
        self.files = files
        self.inbox = files.below(INBOX) if inbox is None else inbox

    def work(self, plan_hash: str, holder: str) -> AbstractContextManager[Lease]:
        """The work folder of a plan, for one writer: see ``workarea`` and, where the root is a bucket, ``workmirror``.

        Raises:
            GateError: ``work_in_use``.
        """
        place = self.files.below("work")
        if isinstance(place, S3Storage):
            return mirrored_lease(place, plan_hash, holder)
        if isinstance(place, FolderStorage):
            return lease(place.root, plan_hash, holder)
        raise TypeError(f"no work area on {type(place).__name__}")

    def gpu_turn(self, *, alone: bool, waiting: Callable[[], None]) -> AbstractContextManager[int]:
        """This machine's GPU, for the runs on this store: see ``workarea.gpu_turn``."""
        place = self.files.below("work")
        if isinstance(place, S3Storage):
            return gpu_turn(place.workplace(), alone=alone, waiting=waiting)
        if isinstance(place, FolderStorage):
            return gpu_turn(place.root, alone=alone, waiting=waiting)
        raise TypeError(f"no work area on {type(place).__name__}")

    def uri(self, ref: ArtifactRef) -> str:
        """The artifact's address, to click or to hand to other tools."""
        return self.files.uri(ref.path)

    def _place(self, asset: Sequence[str], partition: str | None, run_id: str) -> str:
        # A corpus asset's key already begins with the prefix "corpus".
        return "/".join(["artifacts", *asset, *([partition] if partition else []), run_id])

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
        folder: Path | None = None
        try:
            self._sweep(place, run_id)
            folder = self.files.draft(place, f"{run_id}-{os.getpid()}")
            draft = Draft(folder)
            yield draft
            draft.published = self._publish(draft, place)
        except OSError as error:
            if not no_room_left(error):
                raise
            raise StoreError(
                "disk_full",
                f"no room left while writing {'/'.join(asset)}",
                file=self.files.shown() if folder is None else str(folder),
                remedy="Free space or move the store (SAM2_ASSETS_ROOT), then run again; nothing published is lost.",
            ) from error
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self, place: str, run_id: str) -> None:
        """Remove drafts that a killed process left: this run's own at once, others when they are a week old."""
        for leftover in self.files.leftovers(place):
            own = leftover.name.startswith(f"{DRAFT_PREFIX}{run_id}-")
            if own or time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(leftover, ignore_errors=True)

    def _publish(self, draft: Draft, place: str) -> Published:
        listing = _listing(draft.folder, draft.measured)
        if not listing:
            raise StoreError("empty_artifact", "nothing was written", file=place, remedy="This is a defect: report it.")
        sha256 = _identity(listing)
        manifest = {
            "sha256": sha256,
            "inputs": {name: ref.as_dict() for name, ref in sorted(draft.inputs.items())},
            "files": listing,
        }
        (draft.folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        target, attempt = place, 1
        while not self.files.publish(draft.folder, target, MANIFEST):
            attempt += 1
            target = f"{place}.{attempt}"
        size = sum(int(str(entry["bytes"])) for entry in listing.values())
        return Published(target, sha256, size, len(listing))

    def manifest(self, ref: ArtifactRef) -> dict[str, object]:
        """The artifact's manifest.

        Raises:
            StoreError: ``artifact_missing``.
        """
        text = self.files.read(f"{ref.path}/{MANIFEST}")
        if text is None:
            raise StoreError(
                "artifact_missing",
                "the artifact is not there",
                file=self.files.shown(ref.path),
                remedy="Restore it, or materialize the asset again.",
            )
        loaded: dict[str, object] = json.loads(text)
        return loaded

    def inputs(self, ref: ArtifactRef) -> dict[str, ArtifactRef]:
        """The artifacts that this one was made from, by the name its maker gave them."""
        recorded = self.manifest(ref)["inputs"]
        if not isinstance(recorded, dict):
            raise TypeError(f"{ref.path}: manifest without inputs")
        return {name: ArtifactRef(str(entry["path"]), str(entry["sha256"])) for name, entry in recorded.items()}

    def _recorded(self, ref: ArtifactRef) -> dict[str, dict[str, object]]:
        recorded = self.manifest(ref)["files"]
        if not isinstance(recorded, dict):
            raise TypeError(f"{ref.path}: manifest without files")
        return recorded

    def open_file(self, ref: ArtifactRef, name: str) -> Path:
        """One file of an artifact, after it was hashed and compared; the others are not read.

        Raises:
            StoreError: ``artifact_missing`` or ``artifact_damaged``.
        """
        known = self._recorded(ref).get(name)
        for _ in range(_TRIES if known is not None else 0):
            path = self.files.folder(ref.path, [name]) / name
            if path.is_file() and known is not None and file_sha256(path) == known["sha256"]:
                return path
            if not self.files.forget(ref.path, name):
                break
        raise self._damaged(ref, name)

    def open(self, ref: ArtifactRef) -> Path:
        """The artifact's folder, after every file was hashed and compared.

        Raises:
            StoreError: ``artifact_missing`` or ``artifact_damaged``, naming the first file that differs.
        """
        recorded = self._recorded(ref)
        measured = [name for name, entry in recorded.items() if "measured" in entry]
        differing: list[str] = []
        for _ in range(_TRIES):
            folder = self.files.folder(ref.path, recorded)
            found = _listing(folder, measured)
            differing = sorted(name for name in {*recorded, *found} if recorded.get(name) != found.get(name))
            if not differing and _identity(found) == ref.sha256:
                return folder
            dropped = [name for name in differing if self.files.forget(ref.path, name)]
            if not dropped:
                break
        raise self._damaged(ref, differing[0] if differing else MANIFEST)

    def _damaged(self, ref: ArtifactRef, name: str) -> StoreError:
        return StoreError(
            "artifact_damaged",
            "the file is not what was published",
            file=self.files.shown(f"{ref.path}/{name}"),
            remedy="Restore it from a backup, or materialize the asset again.",
        )
