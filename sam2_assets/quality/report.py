"""Writes what an assessment found for people (Markdown, HTML, pictures) and for programs (parquet, JSON)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from sam2_assets.quality.checks import CHECKS
from sam2_assets.quality.context import Context
from sam2_assets.quality.findings import FINDINGS_FILE, QUALITY_FILE, Findings, Severity, Verdict
from sam2_assets.quality.lettering import colour, printable_labels
from sam2_assets.quality.pictures import draw_frame, png, preview_picture
from sam2_assets.quality.rows import rows
from sam2_assets.tables import Tables

MARKDOWN_FILE = "report.md"
HTML_FILE = "report.html"
PICTURES_FOLDER = "pictures"
_SHEET_WIDTH = 1280
_CROP_WIDTH = 400
_CROPS_PER_CHECK = 3
_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~!])")


@dataclass(frozen=True)
class _Picture:
    """A picture of the report; ``caption`` says what is seen."""

    name: str
    caption: str
    data: bytes

    @property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.data).decode("ascii")


def write_report(findings: Findings, tables: Tables, raw: Path, out: Path) -> None:
    """Write ``findings.parquet``, ``quality.json``, ``report.md``, ``report.html`` and ``pictures/*.png``.

    The HTML needs nothing beside itself; the Markdown shows the files in ``pictures``. Same input, same bytes. Tables
    whose columns are unsound are reported without pictures.

    Args:
        findings: what ``assess`` said about ``tables``.
        tables: of one video.
        raw: folder of the ``raw_export``.
        out: an existing folder.

    Raises:
        DatasetError: ``import_record_unreadable``, as ``assess``.
    """
    context = Context(tables, raw, findings.settings)
    pictures, crops = _pictures(findings, context)
    findings.table.to_parquet(out / FINDINGS_FILE, index=False)
    summary = _summary(context)
    quality = {"video_id": summary["video_id"], "counts": summary["counts"], **findings.as_dict()}
    (out / QUALITY_FILE).write_text(json.dumps(quality, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    folder = out / PICTURES_FOLDER
    folder.mkdir()
    for picture in [*pictures.values(), *(crop for some in crops.values() for crop in some)]:
        (folder / picture.name).write_bytes(picture.data)
    facts = {
        "findings": findings,
        "summary": summary,
        "classes": _classes(context),
        "pictures": pictures,
        "crops": crops,
        "errors": findings.failing(Severity.ERROR),
        "warnings": findings.failing(Severity.WARNING),
        "waived": findings.waived,
        "notes": [v for v in findings.verdicts if v.passed and not v.waived and v.count],
        "passed": [v for v in findings.verdicts if v.passed and not v.waived and not v.count],
    }
    for file, template in ((MARKDOWN_FILE, "report.md.j2"), (HTML_FILE, "report.html.j2")):
        (out / file).write_text(_environment(template).get_template(template).render(facts), encoding="utf-8")


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
    return environment


def _markdown_text(text: object) -> str:
    """Text that Markdown shows as it is: labels come from strangers and may hold tables, links or HTML."""
    line = " ".join(str(text).split())
    return _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _title(check_id: str) -> str:
    words = check_id.replace("_", " ")
    return words[:1].upper() + words[1:]


def _summary(context: Context) -> dict[str, Any]:
    """Counts and facts for the head of the report; counts are of rows as given where the tables are unsound."""
    given = context.given
    counts = {"frames": len(given.frames), "objects": len(given.objects)}
    video_id = str(given.frames["video_id"].iloc[0]) if "video_id" in given.frames and len(given.frames) else ""
    if not context.sound_columns:
        return {"video_id": video_id, "counts": counts, "size": "", "seconds": "", "origins": {}}
    counts |= {
        "usable_frames": len(context.usable_frames),
        "present_objects": len(context.present_objects),
        "tracks": int(context.objects["object_id"].nunique()),
        "classes": int(context.objects["label"].nunique()),
    }
    frames = context.frames
    sizes = sorted({f"{w} × {h}" for w, h in zip(frames["width"], frames["height"], strict=True)})
    span = f"{frames['time_s'].min():.1f} to {frames['time_s'].max():.1f} s" if len(frames) else "no frames"
    origins = {str(k): int(v) for k, v in frames["image_origin"].value_counts().sort_index().items()}
    return {"video_id": video_id, "counts": counts, "size": ", ".join(sizes), "seconds": span, "origins": origins}


def _classes(context: Context) -> list[dict[str, Any]]:
    """One entry a class for the legend: number, label, counts, and the mean share of the frame that it covers."""
    if not context.sound_columns:
        return []
    present = context.present_objects
    entries = []
    for number, label in enumerate(sorted(context.objects["label"].unique()), 1):
        mine = present[present["label"] == label]
        share = mine["mask_area_nearest"] / (mine["frame_w"] * mine["frame_h"])
        entries.append(
            {
                "number": number,
                "label": label,
                "annotations": len(mine),
                "frames": int(mine["frame_index"].nunique()),
                "tracks": sorted({int(i) for i in context.objects.loc[context.objects["label"] == label, "object_id"]}),
                "share": f"{100 * share.mean():.2g} %" if len(mine) else "–",
            }
        )
    most = max((entry["annotations"] for entry in entries), default=0)
    for entry in entries:
        entry["bar"] = round(100 * entry["annotations"] / most) if most else 0
        entry["colour"] = "rgb({}, {}, {})".format(*colour(entry["tracks"][0]))
    return entries


def _pictures(findings: Findings, context: Context) -> tuple[dict[str, _Picture], dict[str, list[_Picture]]]:
    """The report's pictures by role, and the crops of findings by check id."""
    # matplotlib is slow to import, and the definitions import this module.
    from sam2_assets.quality import charts

    if not context.sound_columns or context.frames.empty:
        return {}, {}
    sound = Tables(context.frames, context.objects)
    labels = printable_labels(context.objects["label"])
    present, frames = context.present_objects, context.frames
    chosen = context.usable_frames if len(context.usable_frames) else frames
    sheet = preview_picture(
        sound,
        context.raw,
        _spread(chosen["frame_index"].tolist(), findings.settings.contact_sheet_frames),
        _SHEET_WIDTH,
    )
    made = {
        "sheet": ("contact_sheet.png", "Frames spread over the video, with masks, boxes and labels", sheet),
        "classes": ("classes.png", "Annotations per class", charts.class_histogram(present, labels)),
        "counts": (
            "objects_over_time.png",
            "Objects in each annotated frame",
            charts.objects_over_time(frames, present),
        ),
        "areas": (
            "area_over_time.png",
            "Share of the frame that each object covers",
            charts.area_over_time(present),
        ),
        "tracks": ("tracks.png", "When each object is seen", charts.track_timeline(frames, present, labels)),
    }
    pictures = {role: _Picture(*what) for role, what in made.items()}
    pictured = {check.id: check.pictured for check in CHECKS}
    complaints = [v for v in findings.verdicts if pictured[v.check_id] != "no" and v.count]
    crops = {}
    for verdict in complaints:
        drawn = sound if pictured[verdict.check_id] == "drawn" else Tables(frames, context.objects.iloc[:0])
        crops[verdict.check_id] = _crops(verdict, findings, drawn, context.raw, labels)
    return pictures, crops


def _crops(verdict: Verdict, findings: Findings, drawn: Tables, raw: Path, labels: dict[str, str]) -> list[_Picture]:
    """Pictures of a few of a check's findings, spread over all of them, with the objects of ``drawn`` on them."""
    table: pd.DataFrame = findings.of(verdict.check_id).dropna(subset="frame_index")
    known = table[table["frame_index"].isin(drawn.frames["frame_index"])]
    crops = []
    for row in _spread(rows(known), _CROPS_PER_CHECK):
        target = None if pd.isna(row.object_id) else int(row.object_id)
        picture = draw_frame(drawn, raw, int(row.frame_index), _CROP_WIDTH, labels, only_crop=target)
        name = f"{verdict.check_id}_{int(row.frame_index):06d}" + ("" if target is None else f"_{target}") + ".png"
        crops.append(_Picture(name, row.message, png(picture)))
    return crops


def _spread(items: list[Any], most: int) -> list[Any]:
    """At most ``most`` items, evenly spaced, first and last among them."""
    if len(items) <= most:
        return items
    if most == 1:
        return [items[len(items) // 2]]
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
