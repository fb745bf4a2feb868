"""The work folder of a plan when the store is a bucket: a local folder, brought to the bucket while it is worked in.

A container that dies takes its disk along. So whatever is new in the folder goes up every few seconds (sealed folders
with their seal last, so that a half one is never taken for whole), and whoever goes on with the plan, on whatever
machine, first fetches what is there. One writer at a time: the lease is an object that its holder keeps renewing. A
holder that was killed does not renew: whoever has watched the object stand still for ``EXPIRES_S`` takes it over. No
two machines' clocks are compared.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sam2_assets.errors import GateError, StoreError
from sam2_assets.storage import S3Storage
from sam2_assets.workarea import LOCK, Lease, lease

LEASE: Final = "lease.json"
PUSH_S: Final = 5.0
RENEW_S: Final = 10.0
EXPIRES_S: Final = 60.0
_SEAL: Final = "complete.json"
_UNFINISHED: Final = (".writing-", ".draft-")
_log = logging.getLogger(__name__)


def _mirrored(name: str) -> bool:
    """Not the lock, not what is still being written."""
    return name not in (LOCK, LEASE) and not any(part.startswith(_UNFINISHED) for part in Path(name).parts)


class Mirror:
    """A local folder and its copy in a bucket.

    Args:
        files: the bucket's part that is the copy.
        folder: the local folder.
    """

    def __init__(self, files: S3Storage, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._same: dict[str, tuple[int, int]] = {}

    def pull(self) -> list[str]:
        """Fetch what the folder lacks or has less of; the names.

        Files of a work folder are written once or only grow, so the longer one is the later one.
        """
        fetched = []
        for file in self._files.list():
            path = self._folder / file.name
            if not _mirrored(file.name):
                continue
            if not path.is_file() or path.stat().st_size < file.size:
                self._files.fetch(file.name, path)
                fetched.append(file.name)
            if path.stat().st_size == file.size:
                self._same[file.name] = self._state(path)
        return fetched

    def push(self) -> list[str]:
        """Bring what is new to the bucket, then delete there what is gone here; the names of what was brought."""
        there = {p.relative_to(self._folder).as_posix(): p for p in sorted(self._folder.rglob("*")) if p.is_file()}
        there = {name: path for name, path in there.items() if _mirrored(name)}
        brought = []
        for name, path in sorted(there.items(), key=lambda item: (item[1].name == _SEAL, item[0])):
            try:
                state = self._state(path)
                if self._same.get(name) != state:
                    self._files.put(path, name)
                    self._same[name] = state
                    brought.append(name)
            except FileNotFoundError:
                # Pruned while we looked: the next round deletes it there too.
                continue
        for name in sorted(self._same.keys() - there.keys()):
            self._files.remove(name)
            del self._same[name]
        return brought

    def _state(self, path: Path) -> tuple[int, int]:
        stat = path.stat()
        return stat.st_mtime_ns, stat.st_size


class _RemoteLease:
    """The object that says who works on a plan.

    Args:
        files: the plan's part of the bucket.
        holder: who we are, for the message that others get.
    """

    def __init__(self, files: S3Storage, holder: str) -> None:
        self._files = files
        self._holder = holder
        self._identity = uuid.uuid4().hex
        self._beats = 0
        self._version: str | None = None

    def _body(self) -> bytes:
        self._beats += 1
        return json.dumps({"holder": self._holder, "identity": self._identity, "beat": self._beats}).encode()

    def acquire(self, expires_s: float) -> None:
        """Take the lease, if need be after watching that nobody renews it.

        Raises:
            GateError: ``work_in_use``, naming the holder.
        """
        seen: str | None = None
        since = time.monotonic()
        while True:
            self._version = self._files.write_if(LEASE, self._body(), None)
            if self._version is not None:
                return
            found = self._files.stat(LEASE)
            if found is None:
                continue
            if seen is None:
                seen, since = found.version, time.monotonic()
            elif found.version != seen:
                raise self._in_use()
            elif time.monotonic() - since >= expires_s:
                self._version = self._files.write_if(LEASE, self._body(), seen)
                if self._version is None:
                    raise self._in_use()
                return
            time.sleep(min(1.0, expires_s / 10))

    def _in_use(self) -> GateError:
        text = self._files.read(LEASE)
        holder = json.loads(text)["holder"] if text else "another run"
        return GateError(
            "work_in_use",
            f"{holder} is working on this plan",
            file=self._files.uri(),
            remedy="Wait for it or cancel it; then run again, which resumes from its last checkpoint.",
        )

    def renew(self) -> bool:
        """Say that we are alive; False if somebody has taken the lease over."""
        self._version = self._files.write_if(LEASE, self._body(), self._version)
        return self._version is not None

    @property
    def held(self) -> bool:
        """We had it when we looked last."""
        return self._version is not None

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        if self.held and self.renew():
            self._files.remove(LEASE)
            self._version = None


@contextmanager
def mirrored_lease(
    work: S3Storage, plan_hash: str, holder: str, *, push_s: float = PUSH_S, expires_s: float = EXPIRES_S
) -> Iterator[Lease]:
    """Hold the work folder of a plan; what others left there is fetched, what we do there goes up while we do it.

    Args:
        work: the bucket's part for work in progress.
        plan_hash: which plan.
        holder: who holds it, for the message that others get (a run id).
        push_s: seconds between two looks at what is new.
        expires_s: how long a lease stands still before it may be taken over.

    Raises:
        GateError: ``work_in_use``, naming the holder.
        StoreError: what was done could not be brought to the bucket in the end.
    """
    files = work.below(plan_hash)
    remote = _RemoteLease(files, holder)
    with lease(work.workplace(), plan_hash, holder) as held:
        remote.acquire(expires_s)
        mirror = Mirror(files, held.folder)
        ended = threading.Event()
        # Apart, so that a checkpoint of gigabytes on its way up does not look like a dead holder.
        renewing = threading.Thread(target=_renew, args=(remote, ended, min(RENEW_S, expires_s / 6)), daemon=True)
        pushing = threading.Thread(target=_push, args=(mirror, remote, ended, push_s), daemon=True)
        try:
            renewing.start()
            mirror.pull()
            pushing.start()
            yield held
        except BaseException:
            _stop(ended, renewing, pushing)
            try:
                _finish(mirror, remote)
            except StoreError as error:
                # What went wrong first is what a person must see.
                _log.warning("the work folder could not be brought to the store: %s", error)
            raise
        _stop(ended, renewing, pushing)
        _finish(mirror, remote)


def _stop(ended: threading.Event, *threads: threading.Thread) -> None:
    ended.set()
    for thread in threads:
        if thread.is_alive():
            thread.join()


def _finish(mirror: Mirror, remote: _RemoteLease) -> None:
    """Bring up the rest and let go, unless somebody else works there by now."""
    if remote.held and remote.renew():
        mirror.push()
        remote.release()


def _renew(remote: _RemoteLease, ended: threading.Event, every_s: float) -> None:
    """Renew until told to end; a server that is away for a while costs nothing but a warning."""
    while not ended.wait(every_s):
        try:
            if not remote.renew():
                _log.warning("another run has taken over the work folder; this one no longer writes to the store")
                return
        except StoreError as error:
            _log.warning("the lease on the work folder is not being renewed: %s", error)


def _push(mirror: Mirror, remote: _RemoteLease, ended: threading.Event, every_s: float) -> None:
    """Push until told to end or until the lease is lost."""
    while not ended.wait(every_s) and remote.held:
        try:
            mirror.push()
        except StoreError as error:
            _log.warning("the work folder is not being brought to the store: %s", error)
