"""How busy the GPU is, as its driver's own tool says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence

import torch

_EVERY_S = 5


def _command() -> list[str] | None:
    """``nvidia-smi`` for the card that torch uses, or None where there is no card or no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None or not torch.cuda.is_available():
        return None
    card = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    return [tool, f"--id={card}", *query, f"--loop={_EVERY_S}"]


class Utilisation:
    """The newest reading of one long-lived process of the driver's tool, whose start alone takes a second.

    Args:
        command: prints one percentage a line; None: that of this machine's card, if it has one.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self.percent: int | None = None
        self._process: subprocess.Popen[str] | None = None
        chosen = command or _command()
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
            self.percent = int(reading) if reading.isdigit() else None

    def close(self) -> None:
        """End the tool's process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
