"""Table rows as named tuples, one by one or grouped: pandas' types do not say what a schema-checked cell holds."""

from __future__ import annotations

from typing import Any

import pandas as pd


def rows(table: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, one attribute a column."""
    return list(table.itertuples(index=False))


def grouped(table: pd.DataFrame, *columns: str) -> dict[tuple[Any, ...], list[Any]]:
    """The rows that agree in ``columns``, by these values, both in the order of the table."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    keys = zip(*(table[column].tolist() for column in columns), strict=True)
    for key, row in zip(keys, table.itertuples(index=False), strict=True):
        groups.setdefault(key, []).append(row)
    return groups
