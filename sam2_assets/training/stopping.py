"""Ending in an orderly way: SIGTERM and Ctrl-C become a checkpoint, and a dead parent becomes SIGTERM."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1


class Interrupted(BaseException):
    """The process was asked to end. No ``Exception``: libraries that catch those must not swallow it."""


class StopRequest:
    """Whether the process was asked to end.

    While :attr:`immediate` is true (nothing would be lost) the signal raises :class:`Interrupted` at once; while it is
    false the training loop looks at :attr:`requested` after each step and saves a checkpoint first.
    """

    def __init__(self) -> None:
        self.requested = False
        self.immediate = True

    def install(self) -> None:
        """Take over SIGTERM and SIGINT of this process."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self.immediate:
            raise Interrupted


def end_with_parent() -> None:
    """Ask Linux to send this process SIGTERM when its parent dies, so that no orphan holds a GPU.

    Not under ``nohup``, which says that the process is to outlive its terminal. Elsewhere than on Linux there is no
    such call, and nothing is done.
    """
    if not sys.platform.startswith("linux") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGTERM)
