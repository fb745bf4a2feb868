"""Writes what an assessment found for people (Markdown, HTML, pictures) and for programs (parquet, CSV, JSON)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from sam2_assets.quality.checks import CHECKS
from sam2_assets.quality.context import Context
from sam2_assets.quality.crops import Chosen, FindingPictures, within
from sam2_assets.quality.findings import FINDINGS_FILE, QUALITY_FILE, Findings, Severity, Verdict
from sam2_assets.quality.gallery import Gallery
from sam2_assets.quality.lettering import colour
from sam2_assets.quality.provenance import provenance
from sam2_assets.quality.rows import rows
from sam2_assets.quality.summary import COUNT_NAMES, class_rows, summarise
from sam2_assets.quality.timeline import Timeline
from sam2_assets.tables import Tables

MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"
CSV_FILE = "findings.csv"
PICTURES_FOLDER = "pictures"
_CROPS_PER_CHECK = 3
_MOST_CROP_BYTES = 4_000_000
"""Of all pictures of findings: with the other pictures, and as base64, the page stays under 10 MB."""
_MOST_LISTED = 50
"""Findings of one check that the page lists; all are in the files beside it."""
_MOST_CLASSES = 60
_LONGEST = 300
_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~!])")
_FORMULA = re.compile(r"^[=+\-@\t\r]")


@dataclass(frozen=True)
class Advice:
    """One thing to do, and the checks that ask for it."""

    remedy: str
    checks: tuple[Verdict, ...]


def write_report(
    findings: Findings,
    tables: Tables,
    raw: Path,
    out: Path,
    *,
    partition: str = "PARTITION",
    remarks: Sequence[str] = (),
) -> None:
    """Write ``findings.parquet``, ``findings.csv``, ``quality.json``, ``report.md``, ``report.html`` and ``pictures/``.

    The HTML needs nothing beside itself; the Markdown shows the files in ``pictures``. Same input, same bytes. Tables
    whose columns are unsound are reported without pictures.

    Args:
        findings: what ``assess`` said about ``tables``.
        tables: of one video.
        raw: folder of the ``raw_export``.
        out: an existing folder.
        partition: the video's key, for the commands that the report advises.
        remarks: sentences about the video that cannot be known from itself, e.g. that another export shows it, too.

    Raises:
        DatasetError: ``import_record_unreadable``, as ``assess``.
    """
    facts = _facts(findings, Context(tables, raw, findings.settings)) | {"partition": partition, "remarks": remarks}
    findings.table.to_parquet(out / FINDINGS_FILE, index=False)
    _write_csv(findings.table, out / CSV_FILE)
    summary = facts["summary"]
    quality = {"video_id": summary.video_id, "counts": summary.counts, "remarks": list(remarks), **findings.as_dict()}
    (out / QUALITY_FILE).write_text(json.dumps(quality, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    folder = out / PICTURES_FOLDER
    folder.mkdir()
    crops: Chosen = facts["crops"]
    for picture in [*facts["pictures"].values(), *(crop for some in crops.by_check.values() for crop in some)]:
        (folder / picture.name).write_bytes(picture.data)
    for file, template in ((MARKDOWN_FILE, "report.md.j2"), (HTML_FILE, "report.html.j2")):
        (out / file).write_text(_environment(template).get_template(template).render(facts), encoding="utf-8")


def report_page(findings: Findings, tables: Tables, raw: Path) -> str:
    """The text of ``report.html`` alone; arguments and errors as ``write_report``."""
    facts = _facts(findings, Context(tables, raw, findings.settings))
    return _environment("report.html.j2").get_template("report.html.j2").render(facts)


def _facts(findings: Findings, context: Context) -> dict[str, Any]:
    """Everything that the templates show."""
    errors, warnings = findings.failing(Severity.ERROR), findings.failing(Severity.WARNING)
    notes = [v for v in findings.verdicts if v.passed and not v.waived and v.count]
    order = [*errors, *findings.waived, *warnings, *notes]
    gallery = Gallery(context, findings) if context.sound_columns and len(context.frames) else None
    shown = gallery.timeline if gallery else None
    classes = class_rows(context)
    return {
        "partition": "PARTITION",
        "remarks": (),
        "findings": findings,
        "summary": summarise(context),
        "count_names": COUNT_NAMES,
        "provenance": provenance(context.import_record),
        "classes": classes[:_MOST_CLASSES],
        "classes_left_out": max(0, len(classes) - _MOST_CLASSES),
        "renamed": [c for c in classes if c.drawn != c.label][:_MOST_CLASSES],
        "tiles": gallery.tiles() if gallery else [],
        "pictures": gallery.pictures() if gallery else {},
        "timeline": shown,
        "at": lambda end, start=None: _place(shown, end, start),
        "colour": lambda index: "rgb({}, {}, {})".format(*colour(index)),
        "crops": _crops(order, findings, context) if gallery else Chosen({}, 0),
        "listed": {v.check_id: _listed(v, findings) for v in order},
        "waivable": {check.id for check in CHECKS if check.waivable},
        "errors": errors,
        "warnings": warnings,
        "waived": findings.waived,
        "notes": notes,
        "passed": [v for v in findings.verdicts if v.passed and not v.waived and not v.count],
        "advice": _advice([*errors, *warnings]),
    }


def _place(shown: Timeline | None, end: float, start: float | None) -> float:
    """Thousandths of the timeline's width: of a moment, or between two."""
    if shown is None:
        raise RuntimeError("there is no timeline")
    return round(1000 * (shown.share(end) - (0.0 if start is None else shown.share(start))), 1)


def _advice(failed: Sequence[Verdict]) -> list[Advice]:
    """What to do, in order of weight; checks with the same remedy are one thing to do."""
    by_remedy: dict[str, list[Verdict]] = {}
    for verdict in failed:
        by_remedy.setdefault(verdict.remedy, []).append(verdict)
    return [Advice(remedy, tuple(verdicts)) for remedy, verdicts in by_remedy.items()]


def _listed(verdict: Verdict, findings: Findings) -> list[Any]:
    """Rows of the findings that the page lists: those that count first."""
    table = findings.of(verdict.check_id)
    if not verdict.measured or table.empty:
        return []
    tolerated = (table["severity"] == str(Severity.INFO)) & (verdict.severity is not Severity.INFO)
    return rows(pd.concat([table[~tolerated], table[tolerated]]).head(_MOST_LISTED))


def _crops(order: Sequence[Verdict], findings: Findings, context: Context) -> Chosen:
    checks, pictures = {check.id: check for check in CHECKS}, FindingPictures(context)
    drawn = ((v.check_id, pictures.of(checks[v.check_id], findings.of(v.check_id), _CROPS_PER_CHECK)) for v in order)
    return within(drawn, _MOST_CROP_BYTES)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """For spreadsheets: with a byte order mark, and no text that one would take for a formula."""
    guarded = table.assign(message=[f"'{m}" if _FORMULA.match(m) else m for m in table["message"]])
    guarded.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\n")


def _environment(template: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sam2_assets.quality", "templates"),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = _markdown_text
    environment.filters["title"] = _title
    environment.filters["clip"] = _clip
    return environment


def _clip(text: object, longest: int = _LONGEST) -> str:
    """One line of at most ``longest`` letters: a label may be as long as a book."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _markdown_text(text: object) -> str:
    """Text that Markdown shows as it is: labels come from strangers and may hold tables, links or HTML."""
    return _SPECIAL.sub(r"\\\1", _clip(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _title(check_id: str) -> str:
    words = check_id.replace("_", " ")
    return words[:1].upper() + words[1:]
