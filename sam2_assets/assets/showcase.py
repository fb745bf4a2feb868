"""What a person sees in the metadata panel of each materialization: counts, pictures, tables, the command that is next.

Pictures are small JPEGs inside Markdown, the form in which Dagster's UI shows pictures. What a person looks for first
comes first: the panel keeps the order.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from PIL import Image

from sam2_assets.quality import Findings, Severity
from sam2_assets.quality.pictures import preview_picture
from sam2_assets.tables import Tables
from sam2_assets.training.plan import Plan

Facts = dict[str, Any]
_PREVIEW_FRAMES = 6
_PREVIEW_WIDTH = 900
_PAGE_PICTURE_WIDTH = 640
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


def page(path: Path) -> dg.MarkdownMetadataValue:
    """A Markdown file of an artifact, its pictures inside: the UI cannot follow a link into the artifact's folder.

    Metadata for a model hub at the top of the file is left out; the UI would print it as a heading.
    """

    folder = path.parent.resolve()

    def inlined(link: re.Match[str]) -> str:
        linked = (folder / link[2]).resolve()
        if not linked.is_relative_to(folder) or not linked.is_file():
            return link[0]
        return f"![{link[1]}]({_data_uri(linked.read_bytes(), _PAGE_PICTURE_WIDTH)})"

    text = _FRONT_MATTER.sub("", path.read_text(encoding="utf-8"))
    return dg.MetadataValue.md(_PICTURE_LINK.sub(inlined, text))


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
    """Counts of frames, samples and labels."""
    record = _json(folder / "dataset.json")
    return {
        "frames": record["frames"],
        "samples": sum(record["samples"].values()),
        "samples_by_task": _shares(record["samples"], "task"),
        "labels": _shares(record["labels"]),
        "dataset": dg.MetadataValue.json(record),
    }


def of_report(folder: Path, findings: Findings) -> Facts:
    """The report itself, the way to its page with pictures, and the numbers of failures."""
    return {
        "report": page(folder / "report.md"),
        "errors": len(findings.failing(Severity.ERROR)),
        "warnings": len(findings.failing(Severity.WARNING)),
        "waived": ", ".join(verdict.check_id for verdict in findings.waived) or "none",
    }


def of_splits(folder: Path) -> Facts:
    """Sizes of the splits and the evidence that they do not leak."""
    record = _json(folder / "splits.json")
    return {
        **{f"{name}_frames": count for name, count in record["counts"].items()},
        "rejected_videos": len(record["rejected"]),
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
        "approval": "given or not needed" if approved else f"waiting for: sam2-assets approve {name}",
        "plan": dg.MetadataValue.json(plan.model_dump(mode="json")),
    }


def of_adapter(folder: Path) -> Facts:
    """The loss curve and what the training recorded."""
    record = _json(folder / "training.json")
    return {
        "loss_curve": picture((folder / "loss.png").read_bytes(), 800, "loss"),
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
    """How the server answered when it was started from the context."""
    return {"verification": dg.MetadataValue.json(_json(folder / "verification.json"))}
