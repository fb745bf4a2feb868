"""What the child tells while it works: one JSON line a report on stdout, and Dagster Pipes messages under Dagster."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sam2_assets.errors import Sam2AssetsError

PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"

FAILED = "failed"
CRASHED = "crashed"
ENDED_BADLY = (FAILED, CRASHED)
"""Phases whose report is about an error that stderr shows, too."""

Scalar = str | int | float | bool | None


class _MessageSink(Protocol):
    def report_custom_message(self, payload: dict[str, Scalar]) -> None: ...


class Reporter:
    """Reports of one child process; the fields are scalars, so that they fit Dagster's metadata.

    Args:
        quiet: print nothing on stdout.
        sink: where Dagster listens, if it does.
    """

    def __init__(self, *, quiet: bool = False, sink: _MessageSink | None = None) -> None:
        self._quiet = quiet
        self._sink = sink

    def report(self, phase: str, **fields: Scalar) -> None:
        """Tell that the child is in ``phase``, with figures."""
        payload: dict[str, Scalar] = {"phase": phase, **fields}
        if not self._quiet:
            self._print(json.dumps(payload, ensure_ascii=False))
        if self._sink is not None:
            self._sink.report_custom_message(payload)

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # Who listened is gone, most often killed: then we are asked to end, and a checkpoint must still be written.
            self._quiet = True
            # Python would stumble over the same pipe again when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def failed(self, error: BaseException) -> None:
        """Tell why the child is about to end."""
        if isinstance(error, Sam2AssetsError):
            self.report(FAILED, **error.as_dict())
        else:
            self.report(CRASHED, code=type(error).__name__, message=str(error))


@contextmanager
def reporting(*, quiet: bool = False) -> Iterator[Reporter]:
    """A reporter; it speaks Dagster Pipes if the environment says that Dagster started this process."""
    if PIPES_VARIABLE not in os.environ:
        yield Reporter(quiet=quiet)
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield Reporter(quiet=quiet, sink=pipes)
