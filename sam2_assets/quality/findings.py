"""What a quality assessment says: findings (rows that a check complains about) and one verdict per check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from sam2_assets.quality.settings import QualitySettings

FINDINGS_FILE = "findings.parquet"
QUALITY_FILE = "quality.json"


class Severity(StrEnum):
    """How much a failing check matters."""

    ERROR = "error"
    """Stops the station that the check gates, unless waived."""
    WARNING = "warning"
    """Worth a look; stops nothing."""
    INFO = "info"
    """A fact about the data; never fails."""


class Stage(StrEnum):
    """The stations that a failing error can stop."""

    INSTRUCTION_DATASET = "instruction_dataset"
    """The tables are unsound: nothing can be computed from them."""
    TRAINING_PLAN = "training_plan"
    """A score would mean nothing, or the model could cheat."""


class Finding(NamedTuple):
    """One thing that a check complains about; a tuple, because there can be one for every object of a long video.

    Args:
        message: one line that names the frame and the object, where there are any.
        frame_index: of the frame, or None if it is not about one frame.
        object_id: of the object (track), or None.
        value: what was measured, in the unit of the check's threshold.
        tolerated: within the check's allowance: listed as information, does not fail the check.
    """

    message: str
    frame_index: int | None = None
    object_id: int | None = None
    value: float | None = None
    tolerated: bool = False


@dataclass(frozen=True)
class Facts:
    """What an info check lists, where that can be every object of a long video.

    Args:
        count: of all.
        findings: made one by one, as far as they are written down.
    """

    count: int
    findings: Iterable[Finding]


class FindingsTable(pa.DataFrameModel):
    """Schema of ``findings.parquet``: in the order of ``CHECKS``, then as measured."""

    check: Series[str] = pa.Field(description="id of the check")
    severity: Series[str] = pa.Field(isin=[str(s) for s in Severity])
    video_id: Series[str]
    frame_index: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    object_id: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    value: Series[float] = pa.Field(nullable=True, description="as measured, unit of the threshold")
    threshold: Series[float] = pa.Field(nullable=True, description="the setting that it was compared with")
    message: Series[str]

    class Config:
        """Exactly these columns, in this order."""

        strict = True
        ordered = True


@dataclass(frozen=True)
class Verdict:
    """What one check came to.

    Args:
        check_id: id of the check.
        severity: of the check.
        gates: the station that a failing error stops, or None.
        passed: False if it failed and was not waived; an info check always passes.
        measured: False if it could not be measured because the tables' columns are unsound; it then fails.
        count: number of findings, tolerated ones included.
        examples: the first messages.
        meaning: what the check looks at and why it matters.
        remedy: what a person can do.
        threshold: ``(name of the setting, its value)``, or None.
        waived_reason: why a failure was accepted; None if it was not waived (or there was nothing to waive).
    """

    check_id: str
    severity: Severity
    gates: Stage | None
    passed: bool
    measured: bool
    count: int
    examples: tuple[str, ...]
    meaning: str
    remedy: str
    threshold: tuple[str, float] | None = None
    waived_reason: str | None = None

    @property
    def waived(self) -> bool:
        """It failed, and passes only because a person said why that is acceptable."""
        return self.waived_reason is not None

    @property
    def stops(self) -> bool:
        """It keeps the station it gates from running."""
        return self.gates is not None and self.severity is Severity.ERROR and not self.passed

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "check_id": self.check_id,
            "severity": str(self.severity),
            "gates": str(self.gates) if self.gates else None,
            "passed": self.passed,
            "measured": self.measured,
            "waived": self.waived,
            "waived_reason": self.waived_reason,
            "count": self.count,
            "examples": list(self.examples),
            "threshold": {"name": self.threshold[0], "value": self.threshold[1]} if self.threshold else None,
            "meaning": self.meaning,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Findings:
    """The outcome of one assessment.

    Args:
        table: rows of ``FindingsTable``.
        verdicts: one per check that was asked for, in the order of ``CHECKS``.
        settings: the thresholds and waivers used.
        stages: the stations whose gates were assessed.
    """

    table: pd.DataFrame
    verdicts: tuple[Verdict, ...]
    settings: QualitySettings
    stages: tuple[Stage, ...]

    def stopping(self, stage: Stage) -> tuple[Verdict, ...]:
        """The verdicts that keep ``stage`` from running; empty if its gate is open.

        Raises:
            ValueError: if that gate was not part of this assessment.
        """
        if stage not in self.stages:
            raise ValueError(f"the gate of {stage} was not assessed")
        return tuple(v for v in self.verdicts if v.gates is stage and v.stops)

    def verdict(self, check_id: str) -> Verdict:
        """The verdict of one check.

        Raises:
            KeyError: if it was not part of this assessment.
        """
        for verdict in self.verdicts:
            if verdict.check_id == check_id:
                return verdict
        raise KeyError(check_id)

    def of(self, check_id: str) -> pd.DataFrame:
        """The findings of one check."""
        return self.table[self.table["check"] == check_id]

    def failing(self, severity: Severity) -> tuple[Verdict, ...]:
        """The unwaived failures of one severity, most findings first."""
        failed = (v for v in self.verdicts if v.severity is severity and not v.passed)
        return tuple(sorted(failed, key=lambda v: -v.count))

    @property
    def waived(self) -> tuple[Verdict, ...]:
        """The failures that were accepted by a waiver."""
        return tuple(v for v in self.verdicts if v.waived)

    @property
    def waivers(self) -> dict[str, str]:
        """Check to the reason for which its failure was accepted; a waiver that nothing needs is not among them."""
        return {v.check_id: v.waived_reason for v in self.verdicts if v.waived_reason is not None}

    def as_dict(self) -> dict[str, Any]:
        """The content of ``quality.json``, apart from the counts of the tables."""
        outcome = Counter(
            "waived" if v.waived else "passed" if v.passed else f"failed_{v.severity}" for v in self.verdicts
        )
        return {
            "gates": {
                str(stage): {
                    "passed": not self.stopping(stage),
                    "stopped_by": [v.check_id for v in self.stopping(stage)],
                }
                for stage in self.stages
            },
            "outcome": dict(sorted(outcome.items())),
            "waivers": self.waivers,
            "thresholds": self.settings.model_dump(mode="json", exclude={"waivers"}),
            "verdicts": [v.as_dict() for v in self.verdicts],
        }


def findings_table(rows: Sequence[tuple[str, Severity, str, Finding, float | None]]) -> pd.DataFrame:
    """The typed table of ``(check id, severity, video id, finding, threshold)`` rows."""
    return pd.DataFrame(
        {
            "check": pd.Series([r[0] for r in rows], dtype="str"),
            "severity": pd.Series([str(r[1]) for r in rows], dtype="str"),
            "video_id": pd.Series([r[2] for r in rows], dtype="str"),
            "frame_index": pd.array([r[3].frame_index for r in rows], dtype="Int64"),
            "object_id": pd.array([r[3].object_id for r in rows], dtype="Int64"),
            "value": pd.Series([r[3].value for r in rows], dtype="float64"),
            "threshold": pd.Series([r[4] for r in rows], dtype="float64"),
            "message": pd.Series([r[3].message for r in rows], dtype="str"),
        }
    )
