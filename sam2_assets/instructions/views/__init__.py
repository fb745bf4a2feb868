"""The dataset as other tools read it: one module a format, one entry in ``VIEWS``; each writes from rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sam2_assets.coordinates import Convention
from sam2_assets.errors import DatasetError, SettingsError
from sam2_assets.instructions.rows import Row, read_rows
from sam2_assets.instructions.views import coco, grounding, huggingface, jsonl_masks, llava, messages, qwen
from sam2_assets.instructions.views.files import VIEW_FILE, write_json
from sam2_assets.instructions.views.packing import pack


@dataclass(frozen=True)
class View:
    """A format: ``write(rows, labels, out)`` writes it into an existing folder and returns how many records it wrote.

    Args:
        name: as users choose it.
        boxes: what the numbers of a box mean in it.
        records: what is counted.
        write: the writer; ``labels`` are all labels of the dataset, sorted.
    """

    name: str
    boxes: str
    records: str
    write: Callable[[Iterable[Row], Sequence[str], Path], int]


VIEWS: Mapping[str, View] = {
    view.name: view
    for view in (
        View(
            "llava",
            "[x0, y0, x1, y1], 0..1 in the frame padded to a centred square (LLaVA-1.5)",
            "dialogues",
            llava.write,
        ),
        View(
            "messages",
            "[x0, y0, x1, y1], 0..1000 along each side of the frame (Qwen2-VL, Qwen3-VL)",
            "dialogues",
            messages.write,
        ),
        View(
            "grounding",
            "[x0, y0, x1, y1] in frame pixels, in objects.bbox; <bbox> stands for them in the text (ms-swift)",
            "dialogues",
            grounding.write,
        ),
        View(
            "qwen",
            "bbox_2d [x0, y0, x1, y1], 0..1000 along each side of the frame (Qwen3-VL, Qwen2-VL)",
            "dialogues",
            qwen.writer(Convention.THOUSANDTHS),
        ),
        View(
            "qwen2_5",
            "bbox_2d [x0, y0, x1, y1] in pixels of the picture as Qwen2.5-VL's processor resizes it by default: train "
            "with min_pixels 3136 and max_pixels 12845056",
            "dialogues",
            qwen.writer(Convention.RESIZED_PIXELS),
        ),
        View("coco", "[x, y, w, h] in frame pixels", "annotations", coco.write),
        View("jsonl_masks", "[x, y, w, h] in frame pixels", "frames", jsonl_masks.write),
        View(
            "huggingface",
            "in conversations as in llava; bounding_boxes [x, y, w, h] in frame pixels",
            "frames",
            huggingface.write,
        ),
    )
}


def check_formats(formats: Sequence[str], field: str = "instructions.formats") -> None:
    """Refuse formats that do not exist or are named twice.

    Raises:
        SettingsError: ``unknown_format``, ``repeated_format``.
    """
    for name in formats:
        if name not in VIEWS:
            raise SettingsError(
                "unknown_format",
                "no such format",
                field=field,
                value=name,
                remedy=f"Choose from: {', '.join(VIEWS)}.",
            )
    if len(set(formats)) != len(formats):
        raise SettingsError(
            "repeated_format",
            "a format is named twice",
            field=field,
            value=list(formats),
            remedy="Name each format once.",
        )


def write_view(dataset: Path, format: str, out: Path) -> int:
    """Write one view of an instruction dataset, with its own copy of the pictures in ``out/images``.

    ``out/view.json`` says which format it is and what the numbers of a box mean.

    Args:
        dataset: folder published by ``build_dataset``.
        format: a name in ``VIEWS``.
        out: folder to write; made if absent, must be empty. If its name ends in ``.zip``: an archive to write.

    Returns:
        The number of records written (``view.json`` says of what).

    Raises:
        SettingsError: ``unknown_format``, listing the known ones.
        DatasetError: ``folder_not_empty``, ``dataset_missing``, ``dataset_unreadable``, ``dataset_columns``.
    """
    check_formats([format], "format")
    if out.suffix == ".zip":
        return _write_archive(dataset, format, out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(
            "folder_not_empty",
            "the folder to write is not empty",
            file=str(out),
            remedy="Give a new folder: files of an older view would stay among the new ones.",
        )
    labels = sorted({found.label for row in read_rows(dataset, pictures=False) for found in row.objects})
    out.mkdir(parents=True, exist_ok=True)
    view = VIEWS[format]
    count = view.write(read_rows(dataset), labels, out)
    write_json(
        out / VIEW_FILE, {"format": view.name, "boxes": view.boxes, "records": count, "records_are": view.records}
    )
    return count


def _write_archive(dataset: Path, format: str, out: Path) -> int:
    if out.exists():
        raise DatasetError(
            "file_exists", "the archive to write is already there", file=str(out), remedy="Give a new name."
        )
    # Beside the archive: the pictures may not fit where temporary files usually go.
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.stem}-", dir=out.parent) as folder:
        count = write_view(dataset, format, Path(folder))
        pack(Path(folder), out)
    return count
