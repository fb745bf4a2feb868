"""Work in progress: one folder a plan, with one writer at a time.

Checkpoints and TensorBoard events of a run lie in ``work/<plan hash>/`` so that the next run of the same plan finds
them. The lease is an advisory lock on a file in it: the kernel lets go of it when the last process that holds it is
gone, however it ended. The descriptor is handed on to the training child, so that a child that outlives its parent
still keeps others out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sam2_assets.errors import GateError

LOCK = "lease.lock"


@dataclass(frozen=True)
class Lease:
    """The right to write into ``folder``; pass ``descriptor`` on to child processes that write there."""

    folder: Path
    descriptor: int


@contextmanager
def lease(work: Path, plan_hash: str, holder: str) -> Iterator[Lease]:
    """Hold the work folder of a plan.

    Args:
        work: the local folder for work in progress.
        plan_hash: which plan.
        holder: who holds it, for the message that others get (a run id).

    Raises:
        GateError: ``work_in_use``, naming the holder.
    """
    folder = work / plan_hash
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another run"
            raise GateError(
                "work_in_use",
                f"{other} is working on this plan",
                file=str(folder),
                remedy="Wait for it or cancel it; then run again, which resumes from its last checkpoint.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield Lease(folder, descriptor)
    finally:
        os.close(descriptor)
