"""Running a torch child process from a step, so that nothing outlives anything it should not.

Dagster's own Pipes subprocess client interrupts a cancelled child once and then leaves it alone: the run shows CANCELED
while the child keeps the GPU. Here the child gets SIGTERM (it saves a checkpoint), a grace period, then SIGKILL for its
whole process group; and both ends ask the kernel for a signal when their parent dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import dagster as dg

from sam2_assets.store import Store
from sam2_assets.training.child import ended_badly
from sam2_assets.training.job_file import JobFile

# Dagster warns about its own use of its own preview parameter, at every start of a child.
warnings.filterwarnings("ignore", message=".*expected_writer_count", category=dg.PreviewWarning)

GRACE_S = 120.0
JOB_FILE = "job.json"
STARTED_BY = "sam2_assets/started_by"
"""Run tag that says who started a run outside the daemon."""
COMMAND = "command"
WAITING = "waiting for the GPU"
"""The phase of a step that another run keeps from starting its child."""
_POLL_S = 5.0
_SAID_ONCE = ("preflight", "measured")
"""Phases whose report must not be lost to a later one of the same poll."""
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this step when the run worker is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _refuse(module: str, code: int, error: dict[str, Any] | None) -> NoReturn:
    if error is not None:
        # The child's sentence already names file, field, value and remedy.
        fields = {name: str(value) for name, value in error.items() if value is not None and name != "phase"}
        raise dg.Failure(description=fields.pop("message"), metadata=fields, allow_retries=False)
    raise ended_badly(module, code, said="See the compute logs (stderr) of this step.")


def run_child(
    context: dg.AssetExecutionContext,
    job: JobFile,
    folder: Path,
    *,
    inherited: Sequence[int] = (),
    grace_s: float = GRACE_S,
) -> None:
    """Run the child that does ``job``, to its end.

    Its custom Pipes messages appear as observations of the asset while it runs; its output lands in the compute logs.

    Args:
        context: of the step.
        job: what it is told.
        folder: an existing one, for the job file.
        inherited: file descriptors the child keeps open (the lease of a work folder).
        grace_s: seconds between SIGTERM and SIGKILL when the run is cancelled.

    Raises:
        dagster.Failure: with the child's own sentence.
        TrainingError: ``child_failed`` with what its exit says, where it could not say anything itself.
    """
    _die_with_parent()
    file = folder / JOB_FILE
    job.write(file)
    command = [sys.executable, "-m", job.CHILD, str(file)]
    with dg.open_pipes_session(context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()) as session:
        environment = {**os.environ, **session.get_bootstrap_env_vars()}
        # A terminal shows the observations; a run worker's stdout goes to the compute logs.
        stdout = subprocess.DEVNULL if context.run.tags.get(STARTED_BY) == COMMAND else None
        child = subprocess.Popen(
            command, env=environment, start_new_session=True, pass_fds=tuple(inherited), stdout=stdout
        )
        seen = 0
        try:
            while True:
                try:
                    child.wait(timeout=_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    seen = _observe(context, session, seen)
        except BaseException:
            # The cancellation must go on upwards as it came, whatever the child does with its grace.
            _signal_group(child.pid, signal.SIGTERM)
            try:
                child.wait(grace_s)
            except subprocess.TimeoutExpired:
                context.log.warning(f"{job.CHILD} did not stop within {grace_s:.0f} s and is killed")
            raise
        finally:
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
    _observe(context, session, seen)
    if child.returncode != 0:
        failures = [m for m in session.get_custom_messages() if isinstance(m, dict) and m.get("phase") == "failed"]
        _refuse(job.CHILD, child.returncode, failures[-1] if failures else None)


@contextmanager
def gpu_turn(context: dg.AssetExecutionContext, store: Store) -> Iterator[int]:
    """Wait for this machine's GPU and hold it; hand the descriptor on to the child. See ``workarea.gpu_turn``."""
    _die_with_parent()

    def waiting() -> None:
        context.log.info("another run on this machine uses the GPU; this one starts when it ends")
        partition = context.partition_key if context.has_partition_key else None
        context.log_event(dg.AssetObservation(context.asset_key, partition=partition, metadata={"phase": WAITING}))

    alone = context.run.tags.get(STARTED_BY) == COMMAND
    with store.gpu_turn(alone=alone, waiting=waiting) as descriptor:
        yield descriptor


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _observe(context: dg.AssetExecutionContext, session: dg.PipesSession, seen: int) -> int:
    """Put the newest progress message into the event log: one a poll and what is said once, so that it stays small."""
    messages = list(session.get_custom_messages())
    points = [m for m in messages[seen:] if isinstance(m, dict) and m.get("phase") != "failed"]
    partition = context.partition_key if context.has_partition_key else None
    for point in [*(each for each in points[:-1] if each.get("phase") in _SAID_ONCE), *points[-1:]]:
        numbers = {name: value for name, value in point.items() if isinstance(value, str | int | float)}
        context.log_event(dg.AssetObservation(context.asset_key, partition=partition, metadata=numbers))
    return len(messages)
