"""Each defect is reported by exactly the check or refusal that is meant to, and its clean neighbour by none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sam2_assets.quality import Severity
from sam2_assets_tests.quality.defects import ALL, Defect
from sam2_assets_tests.quality.defects.defect import Outcome, outcome_of

UNTOUCHED = frozenset({"assumed_frame_rate", "near_duplicate_picture"})
"""No source video lies beside the export, and calm scenes look alike: facts, not faults."""


def identity(defect: Defect) -> str:
    return f"{defect.reported_by}: {defect.defect.what}"


def failing(outcome: Outcome) -> set[str]:
    """Checks that fail; information is not a failure."""
    assert outcome.findings is not None
    return {verdict.check_id for verdict in outcome.findings.verdicts if not verdict.passed}


def test_the_untouched_export_has_no_fault(tmp_path: Path) -> None:
    outcome = outcome_of(None, tmp_path)
    assert outcome.reported == UNTOUCHED
    assert not failing(outcome)


@pytest.mark.parametrize("defect", ALL, ids=identity)
def test_a_defect_is_reported_and_its_clean_neighbour_is_not(defect: Defect, tmp_path: Path) -> None:
    caught = outcome_of(defect.defect, tmp_path / "defect", UNTOUCHED)
    assert caught.reported == {defect.reported_by} | defect.defect.also
    assert (caught.findings is None) is defect.refused
    if caught.findings is not None:
        verdict = caught.findings.verdict(defect.reported_by)
        assert verdict.passed is (verdict.severity is Severity.INFO)
    left = outcome_of(defect.neighbour, tmp_path / "neighbour", UNTOUCHED)
    assert left.findings is not None, left.reported
    assert left.reported == defect.neighbour.also
    assert defect.reported_by not in failing(left)


def test_no_defect_is_listed_twice() -> None:
    repeated = [what for what, count in Counter(map(identity, ALL)).items() if count > 1]
    assert not repeated
