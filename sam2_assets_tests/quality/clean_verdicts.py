"""What is warned about on the clean real exports, and what a person said of each warning after looking at it.

The verdicts lie in ``clean_verdicts.csv``. The pictures may not be redistributed; to look again, write them somewhere:

    .venv/bin/python -m sam2_assets_tests.quality.clean_verdicts FOLDER [CHECK ...]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sam2_assets.exports import read_export
from sam2_assets.quality import QualitySettings, Severity, assess
from sam2_assets.quality.masks import mask_pixels
from sam2_assets.tables import Tables

VERDICTS = Path(__file__).with_name("clean_verdicts.csv")
_COLUMNS = ("export", "check", "frame", "object", "verdict", "why")
_WIDTH = 560


@dataclass(frozen=True, order=True)
class Warned:
    """One warning: which export, which check, and where (-1: not about one frame, or object)."""

    export: str
    check: str
    frame: int
    object: int


@dataclass(frozen=True)
class Judged:
    """What a person said of it: is it so, and is it worth a look?"""

    true: bool
    why: str


def read_verdicts() -> dict[Warned, Judged]:
    """The file of verdicts."""
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        assert tuple(table.fieldnames or ()) == _COLUMNS
        return {
            Warned(row["export"], row["check"], int(row["frame"]), int(row["object"])): Judged(
                {"true": True, "false": False}[row["verdict"]], row["why"]
            )
            for row in table
        }


def warned_in(archive: Path, raw: Path) -> tuple[dict[Warned, str], list[str]]:
    """Every warning about an export with its message, and the checks that fail with an error.

    Args:
        archive: the export.
        raw: an empty folder to import it into.
    """
    read_export(archive, raw)
    findings = assess(Tables.read(raw), raw, QualitySettings())
    warnings = findings.table[findings.table["severity"] == str(Severity.WARNING)]
    located = warnings.fillna({"frame_index": -1, "object_id": -1})
    keys = zip(located["check"], located["frame_index"], located["object_id"], located["message"], strict=True)
    found = {Warned(archive.stem, check, int(frame), int(obj)): message for check, frame, obj, message in keys}
    return found, [verdict.check_id for verdict in findings.failing(Severity.ERROR)]


def crop(raw: Path, warned: Warned, message: str) -> Image.Image:
    """The frame with the object's mask in red, and beside it the object alone, a few pixels around its box."""
    tables = Tables.read(raw)
    frame = tables.frames[tables.frames["frame_index"] == max(warned.frame, 0)].iloc[0]
    picture = Image.open(raw / frame["image"]).convert("RGB")
    here = tables.objects["frame_index"] == frame["frame_index"]
    objects = tables.objects[here & (tables.objects["object_id"] == warned.object)]
    box = (0, 0, *picture.size)
    for row in objects.to_dict("records"):
        cells = mask_pixels(str(row["rle_counts"]), (int(row["grid_h"]), int(row["grid_w"])))
        mask = Image.fromarray(cells * np.uint8(150)).resize(picture.size, Image.Resampling.NEAREST)
        picture.paste((255, 0, 0), mask=mask)
        x, y, w, h = (int(row[f"box_{name}"]) for name in "xywh")
        box = (max(x - 12, 0), max(y - 12, 0), min(x + w + 12, picture.width), min(y + h + 12, picture.height))
    whole = picture.resize((_WIDTH, round(picture.height * _WIDTH / picture.width)))
    part = picture.crop(box)
    scale = min(_WIDTH / part.width, whole.height / part.height)
    part = part.resize((max(round(part.width * scale), 1), max(round(part.height * scale), 1)))
    sheet = Image.new("RGB", (2 * _WIDTH + 6, whole.height + 18), (255, 255, 255))
    sheet.paste(whole, (0, 18))
    sheet.paste(part, (_WIDTH + 6, 18))
    text = f"{warned.export} {warned.check}: {message}".encode("latin-1", "replace").decode("latin-1")
    ImageDraw.Draw(sheet).text((2, 3), text, fill=(0, 0, 0))
    return sheet


def crops(exports: Path, checks: set[str]) -> Iterator[tuple[Warned, Image.Image]]:
    """A picture of every warning about the exports of a folder; of all checks if none is named."""
    for archive in sorted(exports.glob("*.zip")):
        with tempfile.TemporaryDirectory() as folder:
            found, _ = warned_in(archive, Path(folder))
            for warned, message in sorted(found.items()):
                if not checks or warned.check in checks:
                    yield warned, crop(Path(folder), warned, message)


def main() -> None:
    """Write the pictures, and to the screen the lines that the file of verdicts needs."""
    from sam2_assets_tests.conftest import SHARED_EXPORTS

    folder, checks = Path(sys.argv[1]), set(sys.argv[2:])
    folder.mkdir(parents=True, exist_ok=True)
    known = read_verdicts()
    for warned, picture in crops(SHARED_EXPORTS / "clean", checks):
        picture.save(folder / f"{warned.export}.{warned.check}.{warned.frame}.{warned.object}.png")
        judged = known.get(warned)
        verdict = f"{'true' if judged.true else 'false'},{judged.why}" if judged else "?,?"
        print(f"{warned.export},{warned.check},{warned.frame},{warned.object},{verdict}")


if __name__ == "__main__":
    main()
