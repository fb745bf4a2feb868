"""In which order samples are seen when those of similar length share a batch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_BATCHES_SORTED_TOGETHER = 50


class ByLength(Sampler[int]):
    """Each epoch: shuffle, sort within stretches of 50 batches, shuffle the batches.

    The order hangs on seed, epoch and lengths alone, so that a resumed run sees the same batches.

    Args:
        lengths: tokens of each sample.
        batch_size: samples of a batch.
        seed: of the shuffles.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Which pass comes next; the data loader calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        draw = random.Random(f"{self._seed}:{self._epoch}")
        order = draw.sample(range(len(self._lengths)), len(self._lengths))
        stretch = self._batch_size * _BATCHES_SORTED_TOGETHER
        batches: list[list[int]] = []
        for start in range(0, len(order), stretch):
            near = sorted(order[start : start + stretch], key=lambda index: -self._lengths[index])
            batches += [near[at : at + self._batch_size] for at in range(0, len(near), self._batch_size)]
        # A smaller batch must be the last one: the loader cuts the order in equal pieces.
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        draw.shuffle(whole)
        for batch in (*whole, *(batch for batch in batches if len(batch) < self._batch_size)):
            yield from batch
