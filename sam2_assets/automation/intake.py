"""What the inbox sensor does in one tick, as a function of a listing and of what it remembers: no Dagster, no storage.

The promises, whatever comes in whatever order:

- Every version of every upload is launched once, and no work of a tick grows with the inbox but the listing itself,
  which is cut into portions.
- A version is told by its fingerprint (names, ETags), never by its time. Two objects of the same second, an object
  replaced within a second, and a clock that was set back are all seen.
- Times only save look-ups. ``through`` is the place (last modified, name) up to which whole passes have covered the
  inbox. Uploads that are more than an hour older are passed over, but for a share of them that is looked at again in
  every pass, and for those that were seen arriving: S3 dates an upload in parts to its beginning.
- An upload waits until it is complete, see ``why_wait``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, ValidationError

from sam2_assets.inbox import Pairing, Upload, companions
from sam2_assets.storage import StoredFile

SETTLE_S = 5.0
"""People copy large files into folders: a file that was written within this time may still grow."""
OVERLAP_S = 3600.0
"""By so much clocks may differ and objects may come late without waiting for their turn."""
FORGET_S = 24 * 3600.0
ROUNDS = 64
"""Every old upload is looked at again in one of so many passes."""
_BATCH = 50


@dataclass(frozen=True)
class Limits:
    """The work of one tick: files of the listing, versions that are looked up, runs to launch."""

    files: int = 10_000
    lookups: int = 500
    launches: int = 100


USUAL = Limits()


class Memory(BaseModel):
    """The sensor's cursor: what one tick leaves for the next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: str = ""
    """The pass goes on behind this name; empty: a new one begins."""
    held: tuple[StoredFile, ...] = ()
    """Files before ``after`` whose upload may have more files behind it."""
    through: tuple[float, str] | None = None
    """(last modified, name): whole passes have covered everything up to here."""
    began: float | None = None
    """When the pass under way began, by the storage's clock."""
    oldest_waiting: tuple[float, str] | None = None
    """Oldest upload that the pass under way has left for later."""
    known: dict[str, tuple[str, float]] = {}
    """By partition: the fingerprint launched or found taken, and when it was modified. The overlap only."""
    arriving: tuple[str, ...] = ()
    """Names that were being uploaded in parts when a tick looked last."""
    waiting: dict[str, tuple[str, float]] = {}
    """By partition: the fingerprint of an upload that waits, and since when it is seen unchanged."""
    passes: int = 0

    @classmethod
    def read(cls, cursor: str | None) -> Memory:
        """From a sensor's cursor; one of an older version of this program says nothing, and all is looked up again."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


@dataclass(frozen=True)
class Tick:
    """What one tick does and what it says."""

    launches: tuple[Upload, ...]
    waiting: tuple[tuple[Upload, str], ...]
    """With the reason each waits for; of this tick's portion."""
    uploads: int
    """Seen in this tick."""
    whole: bool
    """Whether the portion reached the end of the inbox."""
    memory: Memory


Taken = Callable[[Sequence[Upload]], Collection[str]]
"""Which of some uploads need no run, by partition: imported, in quarantine, or launched before."""


def why_wait(
    upload: Upload, *, now: float, unchanged_for: float, arriving: Collection[str], video_within_s: float
) -> str | None:
    """What an upload still waits for, or None if it is complete.

    - No file of it is being uploaded in parts.
    - All its files have been left alone for ``SETTLE_S``, by the storage's clock or, where that one is wrong (dates
      in the future), by having been seen unchanged for so long.
    - It has a video, or has been left alone for ``video_within_s``: the video may come after the ZIP.

    Args:
        upload: with the companions that are there.
        now: by the storage's clock, seconds since the epoch.
        unchanged_for: seconds since this version was first seen.
        arriving: names that are being uploaded in parts.
        video_within_s: how long a ZIP without a video waits for one.
    """
    if partly := sorted(companions(upload) & frozenset(arriving)):
        return f"{partly[0]} is being uploaded"
    quiet = max(now - upload.touched, unchanged_for)
    if quiet < SETTLE_S:
        return "still being copied"
    if upload.video is None and quiet < video_within_s:
        return f"no video yet; it may come within {video_within_s - quiet:.0f} s"
    return None


@dataclass
class _Pass:
    """The state of one tick's walk through the listing."""

    memory: Memory
    now: float
    arriving: Collection[str]
    video_within_s: float
    oldest_waiting: tuple[float, str] | None
    known: dict[str, tuple[str, float]]
    waiting: dict[str, tuple[str, float]]
    uploads: int = 0
    batch: list[Upload] = field(default_factory=list)
    launches: list[Upload] = field(default_factory=list)
    left: list[tuple[Upload, str]] = field(default_factory=list)

    def meet(self, upload: Upload) -> None:
        """Look at one upload: known, old, waiting, or to be looked up."""
        self.uploads += 1
        name, fingerprint, place = upload.partition, upload.fingerprint(), _place(upload)
        if self.known.get(name, ("", 0.0))[0] == fingerprint:
            self.waiting.pop(name, None)
            return
        through = self.memory.through
        recent = through is None or place[0] > through[0] - OVERLAP_S or name in self.waiting
        if not recent and _turn(name) != self.memory.passes % ROUNDS and not self._arrived(upload):
            return
        seen, since = self.waiting.get(name, ("", self.now))
        since = since if seen == fingerprint else self.now
        reason = why_wait(
            upload,
            now=self.now,
            unchanged_for=self.now - since,
            arriving=self.arriving,
            video_within_s=self.video_within_s,
        )
        if reason is None:
            self.batch.append(upload)
            return
        self.waiting[name] = (fingerprint, since)
        self.left.append((upload, reason))
        self.oldest_waiting = min(self.oldest_waiting or place, place)

    def _arrived(self, upload: Upload) -> bool:
        return bool(self.memory.arriving) and not companions(upload).isdisjoint(self.memory.arriving)

    def settle(self, taken: Taken) -> int:
        """Look up the batch; what nobody has taken yet is launched. The number looked up."""
        batch, self.batch = self.batch, []
        have = taken(batch) if batch else ()
        for upload in batch:
            self.waiting.pop(upload.partition, None)
            self.known[upload.partition] = (upload.fingerprint(), upload.touched)
            if upload.partition not in have:
                self.launches.append(upload)
        return len(batch)


def _place(upload: Upload) -> tuple[float, str]:
    return max((file.modified, file.name) for file in upload.files)


def _turn(partition: str) -> int:
    return hashlib.sha256(partition.encode()).digest()[0] % ROUNDS


def plan_tick(
    files: Iterable[StoredFile],
    memory: Memory,
    taken: Taken,
    *,
    now: float,
    arriving: Collection[str] = (),
    video_within_s: float = 0.0,
    limits: Limits = USUAL,
) -> Tick:
    """Walk through one portion of the inbox.

    Args:
        files: the listing behind ``memory.after``, to its end; read only as far as the limits allow.
        memory: what the tick before left.
        taken: see ``Taken``.
        now: by the storage's clock, seconds since the epoch.
        arriving: names that are being uploaded in parts.
        video_within_s: see ``why_wait``.
        limits: the work of one tick.
    """
    walk = _Pass(
        memory=memory,
        now=now,
        arriving=arriving,
        video_within_s=video_within_s,
        oldest_waiting=memory.oldest_waiting,
        known=dict(memory.known),
        waiting=dict(memory.waiting),
    )
    began = now if memory.began is None else memory.began
    pairing = Pairing(memory.held)
    looked_up = 0
    for seen, file in enumerate(files, 1):
        for upload in pairing.add(file):
            walk.meet(upload)
        full = seen >= limits.files
        if full or len(walk.batch) >= min(_BATCH, limits.lookups, limits.launches - len(walk.launches)):
            looked_up += walk.settle(taken)
            if full or looked_up >= limits.lookups or len(walk.launches) >= limits.launches:
                rest = memory.model_copy(
                    update={
                        "after": file.name,
                        "held": tuple(pairing.held),
                        "began": began,
                        "oldest_waiting": walk.oldest_waiting,
                        "known": walk.known,
                        "waiting": walk.waiting,
                        "arriving": tuple(sorted({*memory.arriving, *arriving})),
                    }
                )
                return _tick(walk, rest, whole=False)
    for upload in pairing.end():
        walk.meet(upload)
    walk.settle(taken)
    return _tick(walk, _rested(walk, began), whole=True)


def _rested(walk: _Pass, began: float) -> Memory:
    """The memory after a whole pass: what lies an overlap behind what it has covered is forgotten."""
    through = min((began, ""), walk.oldest_waiting or (began, ""))
    return Memory(
        through=through,
        known={name: entry for name, entry in walk.known.items() if entry[1] > through[0] - OVERLAP_S},
        waiting={name: entry for name, entry in walk.waiting.items() if entry[1] > walk.now - FORGET_S},
        # What ended in an earlier tick of this pass may lie before the portion of that tick.
        arriving=tuple(sorted({*walk.arriving, *(walk.memory.arriving if walk.memory.began is not None else ())})),
        passes=walk.memory.passes + 1,
    )


def _tick(walk: _Pass, memory: Memory, *, whole: bool) -> Tick:
    launches = tuple(sorted(walk.launches, key=_place))
    return Tick(launches, tuple(walk.left), walk.uploads, whole, memory)
