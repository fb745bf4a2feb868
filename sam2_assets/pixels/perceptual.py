"""Perceptual hashes: pictures that look alike have hashes that differ in few bits.

The hash is pHash, as ``imagehash`` computes it: the signs, about their median, of the 8 x 8 lowest frequencies of the
discrete cosine transform of the picture's luma at 32 x 32 pixels (C. Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010, section 3.2). The distance is the number of differing bits (Hamming), 0 to 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_BITS: Final = 64


def perceptual_hash(luma: Image.Image) -> str:
    """The hash of a picture as 16 hexadecimal digits.

    Args:
        luma: mode ``L``, any size. Means nothing for an even picture: all its frequencies but one are zero.
    """
    # scipy, which it loads, is slow to import, and the definitions import this module.
    import imagehash

    return str(imagehash.phash(luma))


def as_integers(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of ``perceptual_hash`` as 64-bit integers, for ``hamming``."""
    return np.array([int(each, 16) for each in hashes], np.uint64)


def hamming(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Differing bits of hashes, element by element; the shapes broadcast."""
    return np.bitwise_count(np.bitwise_xor(one, other)).astype(np.int64)
