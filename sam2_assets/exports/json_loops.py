"""Compiled walks over JSON text that say what it holds before, or without, making anything of it; for ``json_text``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam2_assets.compiled import compiled

UNIQUE, REPEATED, UNSURE = 0, 1, 2

_MOST_KEYS = 4096
_DEEPEST = 64
_QUOTE, _BACKSLASH, _COLON, _OPEN, _CLOSE = 34, 92, 58, 123, 125
_FNV_START, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _BACKSLASHES = np.uint64(_QUOTE) * _ONES, np.uint64(_BACKSLASH) * _ONES


@compiled
def separators(data: npt.NDArray[np.uint8]) -> int:
    """How many commas and opening brackets there are, those inside texts included."""
    count = 0
    for code in data:
        count += (code == 44) | (code == 91) | (code == 123)
    return count


@compiled
def _plain_until(data: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], i: int) -> int:
    """The first quote or backslash from ``data[i]`` on, or the end. ``words`` is the same memory, 8 bytes at a time."""
    size = len(data)
    while i < size:
        if i % 8 == 0:
            word = i // 8
            while word < len(words):
                quotes, backslashes = words[word] ^ _QUOTES, words[word] ^ _BACKSLASHES
                # a byte of a word is zero (S. E. Anderson, "Bit Twiddling Hacks")
                found = ((quotes - _ONES) & ~quotes) | ((backslashes - _ONES) & ~backslashes)
                if found & _HIGH:
                    break
                word += 1
            i = max(i, 8 * word)
            for k in range(i, min(i + 8, size)):
                if data[k] == _QUOTE or data[k] == _BACKSLASH:
                    return k
            if i + 8 >= size:
                return size
        elif data[i] == _QUOTE or data[i] == _BACKSLASH:
            return i
        i += 1
    return size


@compiled
def repeated_keys(data: npt.NDArray[np.uint8]) -> int:
    """Whether an object of a well-formed JSON text has a key twice.

    Keys are compared as they are spelled. ``UNSURE`` where that does not decide: a key is spelled with a backslash,
    objects are nested too deep, or those that are open at a time have too many keys.

    Args:
        data: JSON in UTF-8. Of text that is not well-formed the answer means nothing; nothing outside ``data`` is read.

    Returns:
        ``UNIQUE``, ``REPEATED`` or ``UNSURE``.
    """
    first_of = np.zeros(_DEEPEST + 1, np.int64)  # of the open objects: where their keys begin in the three arrays
    begins = np.empty(_MOST_KEYS, np.int64)
    ends = np.empty(_MOST_KEYS, np.int64)
    hashes = np.empty(_MOST_KEYS, np.uint64)
    words = data[: len(data) // 8 * 8].view(np.uint64)
    depth = keys = 0
    i = 0
    size = len(data)
    while i < size:
        code = data[i]
        if code == _QUOTE:
            begin = i + 1
            i = begin
            escaped = False
            i = _plain_until(data, words, i)
            while i < size and data[i] == _BACKSLASH:
                escaped = True
                i = _plain_until(data, words, i + 2)
            end = i
            i += 1
            while i < size and (data[i] == 32 or 9 <= data[i] <= 13):
                i += 1
            if i >= size or data[i] != _COLON:
                continue
            if escaped or keys == _MOST_KEYS or depth == 0:
                return UNSURE
            code_of = np.uint64(_FNV_START)
            for k in range(begin, end):
                code_of = (code_of ^ np.uint64(data[k])) * np.uint64(_FNV_PRIME)
            for other in range(first_of[depth], keys):
                if hashes[other] == code_of and ends[other] - begins[other] == end - begin:
                    same = True
                    for k in range(end - begin):
                        if data[begins[other] + k] != data[begin + k]:
                            same = False
                            break
                    if same:
                        return REPEATED
            begins[keys], ends[keys], hashes[keys] = begin, end, code_of
            keys += 1
        elif code == _OPEN:
            if depth == _DEEPEST:
                return UNSURE
            depth += 1
            first_of[depth] = keys
        elif code == _CLOSE:
            if depth == 0:
                return UNSURE
            keys = first_of[depth]
            depth -= 1
        i += 1
    return UNIQUE
