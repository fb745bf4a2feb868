"""``sam2-assets inspect``: one export, read and assessed without a store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from sam2_assets.cli.app import EXIT_GATE, EXIT_UNREADABLE
from sam2_assets.cli.outlook import ADAPTER, DATASET, PLAN, SPLITS, Hurdle, Outlook, outlook
from sam2_assets.cli.printing import Lines
from sam2_assets.errors import Sam2AssetsError, SettingsError
from sam2_assets.exports import read_export
from sam2_assets.pixels import Progress, now_and_then
from sam2_assets.quality import CHECKS, Findings, Severity, Stage, Verdict, assess, report_page
from sam2_assets.settings import read_layer, resolve
from sam2_assets.splitting.evidence import USED
from sam2_assets.storage.folder import write_atomically
from sam2_assets.tables import Tables

_MOST_LABELS = 12
_MOST_EXAMPLES = 3


def inspect_export(
    archive: Path,
    video: Path | None,
    settings: Path | None,
    page: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Findings, Outlook | None]:
    """What ``inspect --json`` prints, the findings behind it, and what lies ahead (None: its tables are unsound).

    The report is written as one HTML file if ``page`` is given.

    Boxes are ``[x, y, w, h]`` floats in frame pixels, origin top left.

    Raises:
        ExportError: the export or the video cannot be read.
        SettingsError: the settings file cannot be followed; ``not_a_page``: ``page`` cannot be a file.
    """
    if page is not None and (page.is_dir() or page.suffix.lower() not in {".html", ".htm"}):
        raise SettingsError(
            "not_a_page", "the report is one .html file", field="--report", value=str(page), remedy="E.g. report.html."
        )
    resolved = resolve([read_layer(settings)] if settings else []).settings
    with TemporaryDirectory(prefix="sam2-assets-") as folder:
        raw, scratch = Path(folder, "raw"), Path(folder, "scratch")
        raw.mkdir()
        read_export(archive, raw, video=video, settings=resolved.importing, progress=progress)
        tables = Tables.read(raw)
        findings = assess(tables, raw, resolved.quality)
        record = json.loads((raw / "import.json").read_text(encoding="utf-8"))
        if page is not None:
            page.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(page, report_page(findings, tables, raw).encode("utf-8"))
        sound = not findings.stopping(Stage.INSTRUCTION_DATASET)
        ahead = outlook(raw, tables.video_id, resolved, scratch) if sound else None
    return (
        {
            "video": record["video"],
            "frames": [
                {"frame_index": int(index), "time_s": float(time), "image": None if pd.isna(image) else str(image)}
                for index, time, image in tables.frames[["frame_index", "time_s", "image"]].itertuples(index=False)
            ],
            "objects": [_object(row) for row in tables.objects.to_dict("records")],
            "decisions": record["decisions"],
            "repairs": record["repairs"],
            "warnings": record["warnings"],
            "findings": [
                {
                    "check": verdict.check_id,
                    "severity": str(verdict.severity),
                    "passed": verdict.passed,
                    "gates": str(verdict.gates) if verdict.gates else None,
                    "count": verdict.count,
                    "examples": list(verdict.examples),
                    "remedy": verdict.remedy,
                }
                for verdict in findings.verdicts
                if verdict.count or not verdict.passed
            ]
            + [_ahead(hurdle) for hurdle in (ahead.hurdles if ahead else ())],
        },
        findings,
        ahead,
    )


def _ahead(hurdle: Hurdle) -> dict[str, Any]:
    """A gate of a later station as an entry of ``findings``."""
    return {
        "check": hurdle.check,
        "severity": str(Severity.ERROR),
        "passed": False,
        "gates": hurdle.gates,
        "count": 1,
        "examples": [hurdle.message],
        "remedy": hurdle.remedy,
    }


def _object(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "frame_index": int(row["frame_index"]),
        "object_id": int(row["object_id"]),
        "label": str(row["label"]),
        "box": [float(row[f"box_{side}"]) for side in "xywh"],
        "area_px": float(row["area_px"]),
        "empty": bool(row["empty"]),
    }


def run(archive: Path, video: Path | None, settings: Path | None, page: Path | None, *, as_json: bool) -> int:
    """Print the inspection; the exit code says how it ended (see ``sam2-assets inspect --help``)."""
    # Whoever reads stderr by program gets the error and nothing else.
    stream = sys.stdout if not as_json else sys.stderr if sys.stderr.isatty() else None
    progress = now_and_then(lambda done: print(f"{done} pictures read and measured", file=stream, flush=True))
    try:
        report, findings, ahead = inspect_export(archive, video, settings, page, progress if stream else None)
    except Sam2AssetsError as error:
        print(f"sam2-assets: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps({"error": error.as_dict()}, indent=1, ensure_ascii=False))
        return EXIT_UNREADABLE
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        lines = Lines()
        _say_what_it_holds(lines, archive, report)
        _say_what_was_found(lines, findings, ahead)
        if page is not None:
            lines.say(f"report: {page}", gap=True)
    stopped = any(verdict.stops for verdict in findings.verdicts) or (ahead is not None and ahead.hurdles)
    return EXIT_GATE if stopped else 0


def _say_what_it_holds(lines: Lines, archive: Path, report: dict[str, Any]) -> None:
    video, objects = report["video"], report["objects"]
    labels = sorted({found["label"] for found in objects})
    others = f" and {len(labels) - _MOST_LABELS} more" if len(labels) > _MOST_LABELS else ""
    lines.say(archive.name, style="bold")
    lines.say(
        f"video: {video['width']}x{video['height']}, {video['total_frames']} frames at {video['fps']:g} a second "
        f"({video['fps_origin'].replace('_', ' ')})",
        indent=2,
    )
    tracks = len({found["object_id"] for found in objects})
    lines.say(
        f"annotated: {len(report['frames'])} frames, {len(objects)} annotations of "
        f"{tracks} object{'s' if tracks != 1 else ''}",
        indent=2,
    )
    if labels:
        lines.say(
            f"{len(labels)} class{'es' if len(labels) != 1 else ''}: {', '.join(labels[:_MOST_LABELS])}{others}",
            indent=2,
        )
    if report["repairs"]:
        lines.say("repaired", style="bold", gap=True)
        for repair in report["repairs"]:
            lines.say(f"{repair['what']} ({repair['count']}): {repair['why']}", indent=2)
    if report["warnings"]:
        lines.say("noted", style="bold", gap=True)
        for warning in report["warnings"]:
            lines.say(warning, indent=2)


def _say_what_was_found(lines: Lines, findings: Findings, ahead: Outlook | None) -> None:
    found = [verdict for verdict in findings.verdicts if verdict.count or not verdict.passed]
    weight = {"error": 0, "warning": 1, "info": 2}
    for verdict in sorted(found, key=lambda v: (v.passed, weight[str(v.severity)], -v.count)):
        _say_verdict(lines, verdict)
    for hurdle in ahead.hurdles if ahead else ():
        _say_hurdle(lines, hurdle)
    stopping = {str(stage): [v.check_id for v in findings.stopping(stage)] for stage in findings.stages}
    for hurdle in ahead.hurdles if ahead else ():
        stopping.setdefault(hurdle.gates, []).append(hurdle.check)
    lines.say("what would stop it", style="bold", gap=True)
    if ahead is None:
        lines.say(f"{DATASET}: stopped by {', '.join(stopping[DATASET])}; what follows could not be measured", indent=2)
        return
    if ahead.counts:
        shown = [(name, count) for name, count in ahead.counts.items() if count or name in USED]
        lines.say(f"splits: {', '.join(f'{count} {name}' for name, count in shown)} frames", indent=2)
    for station in (DATASET, SPLITS, PLAN, ADAPTER):
        by = stopping.get(station, [])
        if station == SPLITS and not by:
            continue
        words = f"stopped by {', '.join(by)}" if by else "nothing found that stops it"
        if station == ADAPTER and not ahead.plan_complete:
            words += (
                "; memory, time and cost were not measured: the settings name no base model on this machine "
                "(inspect knows no store: give its settings.yaml with --settings)"
            )
        lines.say(f"{station}: {words}", style="bold red" if by else "green", indent=2)


def _say_hurdle(lines: Lines, hurdle: Hurdle) -> None:
    lines.say(f"error {hurdle.check}: stops {hurdle.gates}", style="bold red", gap=True)
    lines.say(hurdle.message, indent=2)
    lines.say(f"to do: {hurdle.remedy}", indent=2)
    if hurdle.settings:
        lines.say(f"or ask for less, in a settings file: {', '.join(hurdle.settings).replace('=', ': ')}", indent=2)
    if hurdle.check == "enough_samples":
        lines.say(
            "or use it within the corpus only, which takes short videos too: sam2-assets launch plan_corpus", indent=2
        )


def _say_verdict(lines: Lines, verdict: Verdict) -> None:
    # What was found within its limits is no warning.
    weight = Severity.INFO if verdict.passed and verdict.measured and not verdict.waived else verdict.severity
    style = {"error": "bold red", "warning": "bold yellow"}.get(str(weight), "bold")
    count = f"{verdict.count} finding{'s' if verdict.count != 1 else ''}" if verdict.measured else "not measured"
    stops = f", stops {verdict.gates}" if verdict.stops else ", waived" if verdict.waived else ""
    lines.say(f"{weight} {verdict.check_id}: {count}{stops}", style=style, gap=True)
    for example in verdict.examples[:_MOST_EXAMPLES]:
        lines.say(example, indent=2)
    if verdict.count > _MOST_EXAMPLES:
        lines.say(f"... and {verdict.count - _MOST_EXAMPLES} more", indent=2)
    if verdict.waived_reason is not None:
        lines.say(f"waived: {verdict.waived_reason}", indent=2)
    elif not verdict.passed:
        lines.say(f"to do: {verdict.remedy}", indent=2)
        waivable = any(check.id == verdict.check_id and check.waivable for check in CHECKS)
        if verdict.stops and verdict.measured and waivable:
            lines.say(f"or accept it, in a settings file: quality.waivers.{verdict.check_id}: <reason>", indent=2)
