"""What the child tells while it works: one JSON line a report on stdout, and Dagster Pipes messages under Dagster."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sam2_assets.errors import Sam2AssetsError

PIPES_VARIABLE = "DAGSTER_PIPES_CONTEXT"

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
            print(json.dumps(payload, ensure_ascii=False), flush=True)
        if self._sink is not None:
            self._sink.report_custom_message(payload)

    def failed(self, error: BaseException) -> None:
        """Tell why the child is about to end."""
        if isinstance(error, Sam2AssetsError):
            self.report("failed", **error.as_dict())
        else:
            self.report("crashed", code=type(error).__name__, message=str(error))


@contextmanager
def reporting(*, quiet: bool = False) -> Iterator[Reporter]:
    """A reporter; it speaks Dagster Pipes if the environment says that Dagster started this process."""
    if PIPES_VARIABLE not in os.environ:
        yield Reporter(quiet=quiet)
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield Reporter(quiet=quiet, sink=pipes)
