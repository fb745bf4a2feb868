"""What a defect is, and what the product says about an export: the checks that report something, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam2_assets.errors import Sam2AssetsError
from sam2_assets.exports import read_export
from sam2_assets.quality import Findings, QualitySettings, assess
from sam2_assets.tables import Tables
from sam2_assets_tests.quality.defects.clean_export import CleanExport, clean_export

Change = Callable[[CleanExport], None]


@dataclass(frozen=True)
class Case:
    """A change of the clean export.

    Args:
        what: is done, in a few words.
        change: does it, in place.
        also: checks that rightly report it besides the one that it is about.
        settings: of ``quality``, where they differ from the defaults.
    """

    what: str
    change: Change
    also: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Defect:
    """A defect, who must report it, and what must not be reported.

    Args:
        reported_by: id of a check, or the code of the error if it is refused.
        defect: the change that is wrong.
        neighbour: a change close to it that is right; only its ``also`` may be reported.
        refused: the importer stops it with an error; no check gets to see it.
    """

    reported_by: str
    defect: Case
    neighbour: Case
    refused: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of an export.

    Args:
        reported: ids of the checks with at least one finding, but for those of the untouched export; or the one code
            of the error.
        findings: None if it was refused.
    """

    reported: frozenset[str]
    findings: Findings | None


def outcome_of(case: Case | None, folder: Path, untouched: frozenset[str] = frozenset()) -> Outcome:
    """Write the changed export as a ZIP into ``folder`` (which must be empty), import it and run all checks.

    Args:
        case: None leaves the export as it is.
        folder: where to work.
        untouched: what is reported about the untouched export.
    """
    export = clean_export()
    if case is not None:
        case.change(export)
    raw = folder / "raw"
    raw.mkdir(parents=True)
    try:
        read_export(export.write(folder / "export.zip"), raw)
    except Sam2AssetsError as error:
        return Outcome(frozenset({error.code}), None)
    settings = QualitySettings.model_validate({} if case is None else case.settings)
    findings = assess(Tables.read(raw), raw, settings)
    return Outcome(frozenset(findings.table["check"]) - untouched, findings)
