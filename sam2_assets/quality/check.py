"""A check as data: what it looks at, what its failure stops, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Facts, Finding, Severity, Stage


@dataclass(frozen=True)
class Check:
    """One entry of ``CHECKS``.

    Args:
        id: stable name, ``snake_case``; waivers and asset checks go by it.
        severity: of its failure; an info check lists facts and never fails.
        gates: the station that a failing error stops; None for warnings and info.
        meaning: what it looks at and why that matters, one sentence.
        remedy: what a person can do about its findings, one sentence.
        measure: the findings; those marked tolerated do not fail the check. ``Facts`` only of an info check.
        threshold: name of the numeric field of ``QualitySettings`` it compares with, if any.
        waivable: a person may accept its failure; not where what comes next would crash or have nothing to work on.
        needs_sound_columns: it cannot be measured while the tables lack columns or have wrong types.
        pictured: how the report shows some of its findings: ``drawn`` with masks and boxes, cropped to the object if
            the finding names one and otherwise as the frames before and after; ``sequence``: always with these;
            ``bare`` as the picture is; or not at all.
    """

    id: str
    severity: Severity
    gates: Stage | None
    meaning: str
    remedy: str
    measure: Callable[[Context], Iterable[Finding] | Facts]
    threshold: str | None = None
    waivable: bool = True
    needs_sound_columns: bool = True
    pictured: Literal["no", "drawn", "sequence", "bare"] = "no"
