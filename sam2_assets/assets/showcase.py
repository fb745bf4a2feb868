"""What a person sees in the metadata panel of each materialization: counts, pictures, tables, the command that is next.

Pictures are small JPEGs inside Markdown, the form in which Dagster's UI shows pictures. What a person looks for first
comes first: the panel keeps the order.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from PIL import Image

from sam2_assets.instructions.preview import SIGHTS, first_samples, markdown, show
from sam2_assets.instructions.sample import Sample
from sam2_assets.quality import Findings, Severity, preview_picture
from sam2_assets.quality.findings import QUALITY_FILE
from sam2_assets.quality.rows import rows
from sam2_assets.tables import Tables
from sam2_assets.training.plan import Plan, needs_approval

Facts = dict[str, Any]
WAITING = "waiting for"
"""How the metadata entry ``approval`` of a plan begins that nobody has approved."""
_PREVIEW_FRAMES = 6
_PREVIEW_WIDTH = 900
_PREVIEW_SAMPLES = 2
_PREVIEW_SAMPLE_WIDTH = 480
_PAGE_PICTURE_WIDTH = 640
_MOST_PICTURE_BYTES = 400_000
"""Of the pictures inside one Markdown page: every materialization stays in the event log for good."""
_MOST_FINDINGS = 50
_LONGEST = 300
_PICTURE_LINK = re.compile(r"!\[((?:\\.|[^\]\\])*)\]\(([^)\s:]+)\)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def _json(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _data_uri(data: bytes, width: int) -> str:
    """A PNG or JPEG as the address of a JPEG that is at most ``width`` pixels wide."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def picture(data: bytes, width: int, caption: str) -> dg.MarkdownMetadataValue:
    """A PNG or JPEG as Markdown, at most ``width`` pixels wide."""
    return dg.MetadataValue.md(f"![{caption}]({_data_uri(data, width)})")


def page(path: Path, most_bytes: int = _MOST_PICTURE_BYTES) -> dg.MarkdownMetadataValue:
    """A Markdown file of an artifact, its pictures inside: the UI cannot follow a link into the artifact's folder.

    Metadata for a model hub at the top of the file is left out; the UI would print it as a heading.

    Args:
        path: of the file.
        most_bytes: of all pictures; those that do not fit are named instead, in the order of the page.
    """
    folder = path.parent.resolve()
    room = most_bytes

    def inlined(link: re.Match[str]) -> str:
        nonlocal room
        linked = (folder / link[2]).resolve()
        if not linked.is_relative_to(folder) or not linked.is_file():
            return link[0]
        address = _data_uri(linked.read_bytes(), _PAGE_PICTURE_WIDTH)
        if len(address) > room:
            return f"(picture in the artifact: `{link[2]}`)"
        room -= len(address)
        return f"![{link[1]}]({address})"

    text = _FRONT_MATTER.sub("", path.read_text(encoding="utf-8"))
    return dg.MetadataValue.md(_PICTURE_LINK.sub(inlined, text))


def table(entries: Sequence[Mapping[str, Any]], **columns: str) -> dg.TableMetadataValue:
    """A table of the UI.

    Args:
        entries: one a row, values by column; what an entry lacks stays empty.
        columns: name to ``string``, ``int`` or ``float``, in order.
    """
    records = [dg.TableRecord({name: row.get(name) for name in columns}) for row in entries]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(n, kind) for n, kind in columns.items()]))


def findings_table(found: pd.DataFrame) -> dg.TableMetadataValue:
    """Rows of the findings as a table of the UI."""
    records = [
        {
            "check": row.check,
            "frame_index": None if pd.isna(row.frame_index) else int(row.frame_index),
            "object_id": None if pd.isna(row.object_id) else int(row.object_id),
            "value": None if pd.isna(row.value) else float(row.value),
            "message": clipped(row.message),
        }
        for row in rows(found)
    ]
    return table(records, check="string", frame_index="int", object_id="int", value="float", message="string")


def clipped(text: str) -> str:
    """A message as the UI shows it: a label in it may be as long as a book."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _shares(counts: Mapping[Any, int], of: str = "label") -> dg.TableMetadataValue:
    total = sum(counts.values()) or 1
    records = [
        dg.TableRecord({of: name, "count": count, "share": round(count / total, 4)})
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    columns = [dg.TableColumn(of, "string"), dg.TableColumn("count", "int"), dg.TableColumn("share", "float")]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def of_export(folder: Path) -> Facts:
    """A contact sheet with masks and boxes, frames, objects, labels, every repair."""
    record, tables = _json(folder / "import.json"), Tables.read(folder)
    repairs = "\n".join(f"- **{r['what']}** x {r['count']}: {r['why']}" for r in record["repairs"]) or "none"
    facts: Facts = {}
    shown = tables.frames.loc[tables.frames["image"].notna(), "frame_index"].tolist()
    if shown:
        step = max(1, len(shown) // _PREVIEW_FRAMES)
        sheet = preview_picture(tables, folder, shown[::step][:_PREVIEW_FRAMES], _PREVIEW_WIDTH)
        facts["preview"] = picture(sheet, _PREVIEW_WIDTH, "masks and boxes")
    return {
        **facts,
        "frames": len(tables.frames),
        "objects": len(tables.objects),
        "labels": _shares(tables.objects["label"].value_counts().to_dict()),
        "pictures": ", ".join(f"{n} {o}" for o, n in tables.frames["image_origin"].value_counts().items()),
        "repairs": dg.MetadataValue.md(repairs),
        "import_record": dg.MetadataValue.json(record),
    }


def of_dataset(folder: Path) -> Facts:
    """Counts of frames, samples and labels, and the first samples as each model family sees them."""
    record = _json(folder / "dataset.json")
    samples = first_samples(folder, _PREVIEW_SAMPLES)
    seen = {f"as_{family}_sees_it": _as_seen(samples, family) for family in SIGHTS}
    return {
        **seen,
        "frames": record["frames"],
        "samples": sum(record["samples"].values()),
        "samples_by_task": _shares(record["samples"], "task"),
        "labels": _shares(record["labels"]),
        "dataset": dg.MetadataValue.json(record),
    }


def _as_seen(samples: Sequence[Sample], family: str) -> dg.MarkdownMetadataValue:
    parts = [f"The frame is {SIGHTS[family].words}."]
    for sample in samples:
        shown = show(sample, family)
        buffer = io.BytesIO()
        shown.picture.save(buffer, "PNG")
        parts.append(markdown(shown, _data_uri(buffer.getvalue(), _PREVIEW_SAMPLE_WIDTH)))
    return dg.MetadataValue.md("\n\n".join(parts))


def of_report(folder: Path, findings: Findings) -> Facts:
    """The report itself, what was found as tables, and the counts, which the UI plots from version to version."""
    counts = _json(folder / QUALITY_FILE)["counts"]
    failed = findings.table[findings.table["severity"] != str(Severity.INFO)]
    complaints = [
        {
            "check": verdict.check_id,
            "severity": str(verdict.severity),
            "findings": verdict.count,
            "stops": str(verdict.gates) if verdict.stops else "waived" if verdict.waived else "",
            "example": clipped(verdict.examples[0]) if verdict.examples else "",
            "remedy": verdict.remedy,
        }
        for verdict in (*findings.failing(Severity.ERROR), *findings.waived, *findings.failing(Severity.WARNING))
    ]
    facts: Facts = {"report": page(folder / "report.md")}
    if complaints:
        kinds = {"check": "string", "severity": "string", "findings": "int", "stops": "string"}
        facts["failed_checks"] = table(complaints, **kinds, example="string", remedy="string")
        facts["first_findings"] = findings_table(failed.head(_MOST_FINDINGS))
    if findings.waived:
        waived = [{"check": v.check_id, "reason": v.waived_reason} for v in findings.waived]
        facts["waivers"] = table(waived, check="string", reason="string")
    return {
        **facts,
        "errors": len(findings.failing(Severity.ERROR)),
        "warnings": len(findings.failing(Severity.WARNING)),
        "waived": len(findings.waived),
        "findings": len(failed),
        **counts,
    }


def of_splits(folder: Path) -> Facts:
    """Sizes of the splits, how they were made, what became of each video, and the evidence that nothing leaks."""
    record = _json(folder / "splits.json")
    facts: Facts = {"strategy": record["strategy"]}
    if record["strategy_reason"]:
        facts["strategy_reason"] = record["strategy_reason"]
    if apart := [video for video in record["videos"] if video["reason"]]:
        rows = [{"partition": v["partition"], "status": v["status"], "reason": v["reason"]} for v in apart]
        facts["corpus_only"] = table(rows, partition="string", status="string", reason="string")
    if record["waivers"]:
        facts["waivers"] = table(record["waivers"], partition="string", gate="string", reason="string")
    if record["rejected"]:
        facts["rejected"] = table(record["rejected"], partition="string", reason="string")
    if record["custom"] and record["custom"]["lines_without_video"]:
        facts["custom_lines_without_video"] = table(record["custom"]["lines_without_video"], line="int", video="string")
    if record["labels"]["suggested_map"]:
        facts["suggested_label_map"] = dg.MetadataValue.json(
            {"importing": {"label_map": record["labels"]["suggested_map"]}}
        )
    if record["labels"]["not_mapped"]:
        facts["labels_not_mapped"] = dg.MetadataValue.json(record["labels"]["not_mapped"])
    alike = record["near_duplicates"]["dropped"]
    return {
        **{f"{name}_frames": count for name, count in record["counts"].items()},
        "near_duplicates_dropped": sum(alike.values()),
        "class_balance": record["class_balance"]["note"],
        "rejected_videos": len(record["rejected"]),
        **facts,
        "evidence": dg.MetadataValue.json(record),
    }


def of_plan(plan: Plan, approved: bool, name: str) -> Facts:
    """What the training would need and cost, and what to type to let it start."""
    figures = plan.estimate
    return {
        "plan_hash": plan.plan_hash,
        "base_model": plan.base.name,
        "family": plan.base.family,
        "train_samples": plan.data.train_samples,
        "steps": figures.steps,
        "memory_gib": figures.memory_gib,
        "gpu_hours": figures.gpu_hours,
        "cost": figures.cost,
        "estimate_based_on": figures.based_on,
        "needs_approval": needs_approval(plan),
        "approval": "given or not needed" if approved else f"{WAITING}: sam2-assets approve {name}",
        "plan": dg.MetadataValue.json(plan.model_dump(mode="json")),
    }


def of_adapter(folder: Path) -> Facts:
    """The loss curve, what the model answers to validation frames, and what the training recorded."""
    record = _json(folder / "training.json")
    facts: Facts = {"loss_curve": picture((folder / "loss.png").read_bytes(), 800, "loss")}
    if (folder / "answers.jpg").is_file():
        caption = "answers to validation frames: true boxes green, the model's orange"
        facts["validation_answers"] = picture((folder / "answers.jpg").read_bytes(), _PREVIEW_WIDTH, caption)
    if record["validation_box_iou"] is not None:
        facts["validation_box_iou"] = record["validation_box_iou"]
    return {
        **facts,
        "steps": record["steps"],
        **{f"loss_{name}": value for name, value in record["loss"].items() if value is not None},
        "training": dg.MetadataValue.json(record),
        "timings": dg.MetadataValue.json(_json(folder / "timings.json")),
        "tensorboard": "tensorboard --logdir <path of this artifact>/logs",
    }


def of_evaluation(folder: Path) -> Facts:
    """The scoreboard with the best and worst cases."""
    return {
        "scoreboard": page(folder / "report.md"),
        "scores": dg.MetadataValue.json(_json(folder / "scores.json")),
    }


def of_card(folder: Path) -> Facts:
    """The model card."""
    return {"card": page(folder / "README.md")}


def of_deployment(folder: Path) -> Facts:
    """The image with its names, or why there is none; and how the started server answered."""
    built, verification = _json(folder / "built.json"), _json(folder / "verification.json")
    facts: Facts = {"image": "built" if built["built"] else f"not built: {built['reason']}"}
    if built["built"]:
        facts["tags"] = dg.MetadataValue.json(built["tags"])
        facts["image_id"] = built["image_id"]
        facts["image_size_bytes"] = built["size_bytes"]
        if built["pushed_digest"]:
            facts["pushed_digest"] = built["pushed_digest"]
    return {
        **facts,
        "served_by": verification["served_by"],
        **{name: verification[name] for name in ("questions", "agreement", "startup_s")},
        "median_latency_ms": verification["latency_ms"]["median"],
        "verification": dg.MetadataValue.json(verification),
    }
