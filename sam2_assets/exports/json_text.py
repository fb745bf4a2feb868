"""JSON text into plain values: bounded before it is parsed, and refused where it says one thing twice."""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from sam2_assets.errors import ExportError
from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.settings import ImportSettings

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)
_CONTAINERS: Final = (dict, list)
_DAMAGED: Final = "The file is damaged or was edited by hand: export again."


def parse_json(data: bytes, file: str, settings: ImportSettings) -> object:
    """Parse JSON bytes, with or without a byte order mark.

    The text is bounded by ``max_document_bytes``, and what becomes of it by ``max_document_values``, counted before
    parsing: five bytes of text can become hundreds in memory. NaN, infinities, lone surrogates and more than 1024
    levels are refused by the parser; integers beyond 64 bits come out as floats.

    Raises:
        ExportError: ``bad_json``, ``duplicate_key``, ``document_too_large``.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if len(data) > settings.max_document_bytes:
        most = settings.max_document_bytes
        raise too_large(file, "max_document_bytes", len(data), most, code="document_too_large")
    from sam2_assets.exports.json_loops import separators  # compiled: not needed to load the definitions

    text = np.frombuffer(data, np.uint8)
    # Every value but the first follows one of these; those inside texts only make the count too high.
    values = 1 + separators(text)
    if values > settings.max_document_values:
        most = settings.max_document_values
        raise too_large(file, "max_document_values", values, most, code="document_too_large")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _refuse_other_encoding(data, file)
        raise ExportError("bad_json", f"is not valid JSON in UTF-8 ({error})", remedy=_DAMAGED, file=file) from error
    _refuse_duplicate_keys(data, text, document, file)
    return document


def _refuse_other_encoding(data: bytes, file: str) -> None:
    """Where the text stops being UTF-8, which the parser does not tell."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ExportError(
            "bad_json",
            f"is not valid JSON in UTF-8 (byte {data[error.start]:#04x} in line {line}): another encoding, or no text",
            remedy="If an editor saved it, save it again as UTF-8; else export again.",
            file=file,
        ) from error


def _refuse_duplicate_keys(data: bytes, text: npt.NDArray[np.uint8], document: object, file: str) -> None:
    """Of a key that is there twice, every reader takes another value; ours would take the last and not say so."""
    from sam2_assets.exports.json_loops import UNIQUE, repeated_keys  # compiled: not needed to load the definitions

    if repeated_keys(text) == UNIQUE:
        return
    # The exact count makes something of every string, which takes longer than parsing.
    stated = sum(1 for match in _STRING.finditer(data) if match.group(1))
    kept = _keys_in(document)
    if stated != kept:
        raise ExportError(
            "duplicate_key",
            f"{stated - kept} keys are in the same object a second time",
            remedy=_DAMAGED,
            file=file,
        )


def _keys_in(document: object) -> int:
    count = 0
    left = [document] if type(document) in _CONTAINERS else []
    while left:
        objects = [value for value in left if type(value) is dict]
        count += sum(map(len, objects))
        children = chain.from_iterable(map(dict.values, objects))
        lists = chain.from_iterable(value for value in left if type(value) is list)
        left = [value for value in chain(children, lists) if type(value) in _CONTAINERS]
    return count
