"""The run-length texts of many masks as one array of bytes, as Arrow holds a column: none becomes a Python string."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Texts:
    """Texts of ``n`` masks, end to end.

    Args:
        data: UTF-8; what is not ASCII is no run length to any reader of these.
        offsets: ``n + 1``; ``data[offsets[i]:offsets[i + 1]]`` is text ``i``.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> str:
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes().decode("utf-8", "surrogatepass")

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each text, ``(n,)``."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, texts: pd.Series | Sequence[str]) -> Texts:
        """Of a column without nulls, or of strings."""
        if isinstance(texts, pd.Series) and isinstance(texts.dtype, pd.StringDtype):
            array = pa.array(texts, pa.large_string())
            whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
            _, offsets, data = whole.buffers()
            # a buffer of nothing may be None
            places = np.frombuffer(offsets or bytes(8), np.int64)[whole.offset : whole.offset + len(whole) + 1]
            return cls._sealed(np.frombuffer(data or b"", np.uint8), places)
        encoded = [str(text).encode("utf-8", "surrogatepass") for text in texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
        return cls._sealed(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @classmethod
    def _sealed(cls, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Texts:
        # both always read-only: a loop is compiled for each kind of array that it meets
        data.flags.writeable = offsets.flags.writeable = False
        return cls(data, offsets)
