"""The dataset card: ``README.md`` with the Hugging Face front matter that tells ``load_dataset`` where the rows are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from sam2_assets.instructions.tasks import TASKS
from sam2_assets.tables import ImageOrigin

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def _size_category(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")


def _cell(text: object) -> str:
    """Text that stays inside one cell of a Markdown table, and shows as it is."""
    escaped = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return escaped.replace("`", "\\`").replace("*", "\\*").replace("_", "\\_")


def write_card(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write ``README.md`` from the fields of a ``DatasetSummary``."""
    front_matter = {
        # Without this, load_dataset would also read the JSON files of formats/.
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/*.parquet"}]}],
        "pretty_name": f"SAM2 annotations of video {summary['video_id']}",
        "size_categories": [_size_category(summary["frames"])],
        "tags": ["sam2", "video", "grounding"],
        "task_categories": ["visual-question-answering", "object-detection", "image-text-to-text"],
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # Markdown
    environment.filters["cell"] = _cell
    template = files("sam2_assets.instructions").joinpath("card.md.j2").read_text(encoding="utf-8")
    text = environment.from_string(template).render(
        front_matter=yaml.safe_dump(front_matter, sort_keys=True, allow_unicode=True),
        tasks=TASKS,
        painted=str(ImageOrigin.EXPORT_OVERLAY),
        **summary,
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")
