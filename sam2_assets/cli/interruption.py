"""Ctrl-C: one line that says what was kept and how to go on, and exit code 130, whatever was being done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_INTERRUPTED = 130
"""What a shell reports for a program that SIGINT ended: 128 + 2."""
NOTHING = "nothing was changed"


class StoppedError(Exception):
    """A person stopped the command; the message says what was kept and how to go on."""


@contextmanager
def kept(words: str) -> Iterator[None]:
    """What to say if the block is stopped with Ctrl-C.

    Raises:
        StoppedError: with these words.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(words) from error


@contextmanager
def for_us_alone() -> Iterator[None]:
    """Processes that this thread starts in the block do not see Ctrl-C, which a terminal sends to all of them.

    Dagster starts two small ones a step to show its output; they would print tracebacks, or go before the last lines.
    A blocked signal is inherited, a handler is not. This process still gets it: another of its threads, which does not
    block it, takes it, and Python runs the handler in the main thread as always.
    """
    taken = threading.Event()
    taker = threading.Thread(target=taken.wait, daemon=True)
    taker.start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        taken.set()
        taker.join()
