"""Runs the checks over one video's tables and turns what they find into verdicts."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pandas as pd

from sam2_assets.errors import SettingsError
from sam2_assets.quality.check import Check
from sam2_assets.quality.checks import CHECKS
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import Facts, Finding, Findings, Severity, Stage, Verdict, findings_table
from sam2_assets.quality.settings import QualitySettings
from sam2_assets.tables import Tables

MOST_FINDINGS: Final = 50_000
"""Findings of a check that are written down; a verdict counts all."""
MOST_FACTS: Final = 1_000
"""The same of what info checks say of every object alike; the objects table has it row by row."""


def assess(tables: Tables, raw: Path, settings: QualitySettings, *, stage: Stage | None = None) -> Findings:
    """Measure what the tables and pictures of one video are worth.

    Args:
        tables: of one video; they need not be sound, that is what is found out.
        raw: folder of the ``raw_export`` that the tables come from (pictures and ``import.json``).
        settings: thresholds and waivers.
        stage: only the checks that can stop this station; all checks if None.

    Raises:
        SettingsError: ``unknown_check``: a waiver names a check that does not exist;
            ``check_cannot_be_waived``: or one whose findings nothing can work with.
        DatasetError: ``import_record_unreadable``: ``raw`` has no readable ``import.json``.
    """
    refuse_pointless_waivers(settings)
    context = Context(tables, raw, settings)
    chosen = [check for check in CHECKS if stage is None or check.gates is stage]
    videos = tables.frames["video_id"] if "video_id" in tables.frames else pd.Series(dtype="str")
    video_id = str(videos.iloc[0]) if len(videos) else ""
    rows: list[tuple[str, Severity, str, Finding, float | None]] = []
    verdicts = []
    for check in chosen:
        measured = context.sound_columns or not check.needs_sound_columns
        found, count = _kept(check.measure(context)) if measured else ([], 0)
        threshold = float(getattr(settings, check.threshold)) if check.threshold else None
        rows += [
            (check.id, Severity.INFO if finding.tolerated else check.severity, video_id, finding, threshold)
            for finding in found
        ]
        verdicts.append(_verdict(check, found, count, measured, settings))
    return Findings(findings_table(rows), tuple(verdicts), settings, tuple(Stage) if stage is None else (stage,))


def _kept(findings: Iterable[Finding] | Facts) -> tuple[list[Finding], int]:
    """The findings that are written down, in their order, and the number of all.

    Every two objects of a frame can be a finding, so a stranger's export can have tens of millions.
    """
    if isinstance(findings, Facts):
        return list(itertools.islice(findings.findings, MOST_FACTS)), findings.count
    kept: list[Finding] = []
    seen = {False: 0, True: 0}
    for finding in findings:
        seen[finding.tolerated] += 1
        # counted apart, so that findings that stop nothing cannot push out those that do
        if seen[finding.tolerated] <= MOST_FINDINGS:
            kept.append(finding)
    return kept, sum(seen.values())


def _verdict(check: Check, found: list[Finding], count: int, measured: bool, settings: QualitySettings) -> Verdict:
    failed = not measured or (check.severity is not Severity.INFO and any(not f.tolerated for f in found))
    # What was not measured cannot be accepted either: nobody knows what it would have said.
    reason = settings.waivers.get(check.id) if failed and measured else None
    examples = [finding.message for finding in sorted(found, key=lambda f: f.tolerated)[: settings.max_examples]]
    if not measured:
        examples = ["not measured: the tables' columns are unsound (see schema_frames and schema_objects)"]
    return Verdict(
        check_id=check.id,
        severity=check.severity,
        gates=check.gates,
        passed=not failed or reason is not None,
        measured=measured,
        count=count,
        examples=tuple(examples),
        meaning=check.meaning,
        remedy=check.remedy,
        threshold=(check.threshold, float(getattr(settings, check.threshold))) if check.threshold else None,
        waived_reason=reason,
    )


def refuse_pointless_waivers(settings: QualitySettings) -> None:
    """Refuse waivers that name no check, or one that cannot be waived.

    Raises:
        SettingsError: ``unknown_check`` or ``check_cannot_be_waived``.
    """
    known = {check.id: check for check in CHECKS}
    for check_id in sorted(settings.waivers):
        if check_id not in known:
            near = difflib.get_close_matches(check_id, known, n=1)
            raise SettingsError(
                "unknown_check",
                "there is no check of this name to waive",
                remedy=f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(sorted(known))}.",
                field="quality.waivers",
                value=check_id,
            )
        if not known[check_id].waivable:
            raise SettingsError(
                "check_cannot_be_waived",
                "what follows cannot work with what this check finds",
                remedy=f"Remove the waiver. {known[check_id].remedy}",
                field="quality.waivers",
                value=check_id,
            )
