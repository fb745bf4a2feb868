"""How busy the GPU is, as its driver's own tool says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence

import torch

_EVERY_S = 5.0


def _command(every_s: float) -> list[str] | None:
    """``nvidia-smi`` for the card that torch uses, or None where there is no card or no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None or not torch.cuda.is_available():
        return None
    card = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    return [tool, f"--id={card}", *query, f"--loop-ms={every_s * 1000:.0f}"]


class Utilisation:
    """The newest reading of one long-lived process of the driver's tool, whose start alone takes a second.

    Args:
        command: prints one percentage a line; None: that of this machine's card, if it has one.
        every_s: seconds between two readings of the card.
    """

    def __init__(self, command: Sequence[str] | None = None, *, every_s: float = _EVERY_S) -> None:
        self.percent: int | None = None
        self._sum = self._count = 0
        self._process: subprocess.Popen[str] | None = None
        chosen = command or _command(every_s)
        if chosen is None:
            return
        self._process = subprocess.Popen(
            list(chosen), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            reading = line.strip()
            # Some virtual cards answer "[N/A]".
            percent = int(reading) if reading.isdigit() else None
            if percent is not None:
                self._sum, self._count = self._sum + percent, self._count + 1
            self.percent = percent

    def restart(self) -> None:
        """Let the mean begin here."""
        self._sum = self._count = 0

    @property
    def mean(self) -> float | None:
        """Of the readings since the start, or since :meth:`restart`; None if there is none."""
        return self._sum / self._count if self._count else None

    def close(self) -> None:
        """End the tool's process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
