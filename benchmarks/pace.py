"""What steps take, and how busy the card is meanwhile."""

from __future__ import annotations

import time
from statistics import median

import torch

from sam2_assets.training.accelerator import Utilisation

WARM_UP = 2
"""Steps that are not measured."""
_READ_EVERY_S = 0.5


class Pace:
    """Seconds of each step, by the clock and with the device's work, and the driver's readings after the warm-up."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._utilisation = Utilisation(every_s=_READ_EVERY_S)
        self._last = 0.0

    def begin(self) -> None:
        """The first step starts now."""
        self._last = time.perf_counter()

    def step_done(self) -> None:
        """A step has ended, and the next one starts."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        if len(self.seconds) == WARM_UP:
            self._utilisation.restart()

    @property
    def step_s(self) -> float:
        """The median of the steps after the warm-up."""
        return median(self.seconds[WARM_UP:])

    @property
    def busy_percent(self) -> float | None:
        """Mean of the driver's readings after the warm-up; None without a card, or if the steps were over too soon."""
        return self._utilisation.mean

    def close(self) -> None:
        """End the driver's tool."""
        self._utilisation.close()
