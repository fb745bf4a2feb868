"""``sam2-assets inspect``: one export, read and assessed without a store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from sam2_assets.cli.app import EXIT_GATE, EXIT_UNREADABLE
from sam2_assets.errors import Sam2AssetsError
from sam2_assets.exports import read_export
from sam2_assets.quality import Findings, assess
from sam2_assets.settings import read_layer, resolve
from sam2_assets.tables import Tables


def inspect_export(archive: Path, video: Path | None, settings: Path | None) -> tuple[dict[str, Any], Findings]:
    """What ``inspect --json`` prints, and the findings behind it.

    Boxes are ``[x, y, w, h]`` floats in frame pixels, origin top left.

    Raises:
        ExportError: the export or the video cannot be read.
        SettingsError: the settings file cannot be followed.
    """
    resolved = resolve([read_layer(settings)] if settings else []).settings
    with TemporaryDirectory(prefix="sam2-assets-") as folder:
        raw = Path(folder)
        read_export(archive, raw, video=video, settings=resolved.importing)
        tables = Tables.read(raw)
        findings = assess(tables, raw, resolved.quality)
        record = json.loads((raw / "import.json").read_text(encoding="utf-8"))
    return {
        "video": record["video"],
        "frames": [
            {"frame_index": int(index), "time_s": float(time), "image": None if pd.isna(image) else str(image)}
            for index, time, image in tables.frames[["frame_index", "time_s", "image"]].itertuples(index=False)
        ],
        "objects": [_object(row) for row in tables.objects.to_dict("records")],
        "decisions": record["decisions"],
        "repairs": record["repairs"],
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
        ],
    }, findings


def _object(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "frame_index": int(row["frame_index"]),
        "object_id": int(row["object_id"]),
        "label": str(row["label"]),
        "box": [float(row[f"box_{side}"]) for side in "xywh"],
        "area_px": float(row["area_px"]),
        "empty": bool(row["empty"]),
    }


def run(archive: Path, video: Path | None, settings: Path | None, *, as_json: bool) -> int:
    """Print the inspection; the exit code says how it ended (see ``sam2-assets inspect --help``)."""
    try:
        report, findings = inspect_export(archive, video, settings)
    except Sam2AssetsError as error:
        print(f"sam2-assets: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps({"error": error.as_dict()}, indent=1, ensure_ascii=False))
        return EXIT_UNREADABLE
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _print_tables(report, findings)
    return EXIT_GATE if any(verdict.stops for verdict in findings.verdicts) else 0


def _print_tables(report: dict[str, Any], findings: Findings) -> None:
    console = Console()
    video, objects = report["video"], report["objects"]
    labels = sorted({found["label"] for found in objects})
    console.print(
        f"[bold]{video['filename'] or 'video'}[/] {video['width']}x{video['height']}, {video['total_frames']} frames "
        f"at {video['fps']:g} fps ({video['fps_origin']}); annotated: {len(report['frames'])} frames, "
        f"{len(objects)} objects, {len(labels)} labels: {', '.join(labels[:12])}"
    )
    for repair in report["repairs"]:
        console.print(f"  repaired [cyan]{repair['what']}[/] x {repair['count']}: {repair['why']}")
    table = Table("check", "severity", "findings", "stops", "first example, and what to do")
    for verdict in findings.verdicts:
        if not verdict.count and verdict.passed:
            continue
        colour = {"error": "red", "warning": "yellow"}.get(str(verdict.severity), "dim")
        example = verdict.examples[0] if verdict.examples else ""
        table.add_row(
            verdict.check_id,
            f"[{colour}]{verdict.severity}[/]" + (" (waived)" if verdict.waived else ""),
            str(verdict.count),
            str(verdict.gates) if verdict.stops else "",
            f"{example}\n[dim]{verdict.remedy}[/]",
        )
    console.print(table)
