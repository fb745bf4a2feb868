"""Work in progress: one folder a plan, with one writer at a time, and the turns that take the GPU.

Checkpoints and TensorBoard events of a run lie in ``work/<plan hash>/`` so that the next run of the same plan finds
them. The lease is an advisory lock on a file in it: the kernel lets go of it when the last process that holds it is
gone, however it ended. The descriptor is handed on to the training child, so that a child that outlives its parent
still keeps others out.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sam2_assets.errors import GateError

LOCK = "lease.lock"
GPU_LOCK = "gpu.lock"
_POLL_S = 1.0


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
                f"{other} is working in this folder",
                file=str(folder),
                remedy="Wait for it or cancel it; then run again, which resumes from its last checkpoint.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield Lease(folder, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def gpu_turn(work: Path, *, alone: bool, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the right to use this machine's GPU; wait for it as long as it takes.

    Runs that Dagster's queue started share it: the pool ``gpu`` says how many they are. A run that a command started
    went around the queue, so it uses the GPU alone.

    Args:
        work: the local folder for work in progress.
        alone: shared with nobody.
        waiting: told once, if there is something to wait for.

    Yields:
        A descriptor to hand on to the child process: a child that outlives its parent still keeps others out.
    """
    work.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(work / GPU_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    told = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
                time.sleep(_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)
