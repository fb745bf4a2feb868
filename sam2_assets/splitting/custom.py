"""The custom strategy: a person's own file says which frames train, validate and test."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sam2_assets.errors import DatasetError
from sam2_assets.splitting.facts import Member
from sam2_assets.splitting.temporal import GUARD, TEST, TRAIN, VAL, Assignment, sub_blocks

HEADER: Final = ["video", "first_frame", "last_frame", "split"]
_SIDES: Final = (TRAIN, VAL, TEST, GUARD)
_LAST: Final = 2**62


@dataclass(frozen=True)
class CustomRow:
    """One line of the file: frames ``first`` to ``last`` of a video, both included."""

    line: int
    video: str
    first: int
    last: int
    split: str


@dataclass(frozen=True)
class CustomFile:
    """The parsed file: its name as the user gave it, the SHA-256 of its bytes, its rows."""

    name: str
    sha256: str
    rows: tuple[CustomRow, ...]

    def assign(self, member: Member, block_s: float) -> Assignment:
        """The splits of a video's frames; frames that no row names are not used.

        Args:
            member: the video.
            block_s: length of the blocks that test frames are grouped in, seconds.

        Raises:
            DatasetError: ``custom_frames_absent`` where a row names no frame that the video has.
        """
        indices = member.frames["frame_index"].tolist()
        splits, blocks = [GUARD] * len(indices), [GUARD] * len(indices)
        taken: dict[int, CustomRow] = {}
        own = [row for row in self.rows if row.video in (member.partition, member.video_id)]
        for row in own:
            named = [place for place, index in enumerate(indices) if row.first <= index <= row.last]
            if not named:
                raise _refused(
                    self.name,
                    row.line,
                    "first_frame",
                    row.first,
                    "custom_frames_absent",
                    f"{row.video} has no annotated frame in this range (it has {min(indices)} to {max(indices)})",
                    "Correct the range, or remove the line.",
                )
            if twice := next((taken[place] for place in named if place in taken), None):
                raise _assigned_again(self.name, row, twice)
            parts = sub_blocks(member.frames["time_s"].to_numpy(float)[named], block_s)
            for place, part in zip(named, parts, strict=True):
                taken[place], splits[place] = row, row.split
                ending = f".{part}" if row.split == TEST else ""
                blocks[place] = GUARD if row.split == GUARD else f"{row.split}:{row.line}{ending}"
        reason = "" if own else f"{self.name} does not name it: none of its frames is used"
        return Assignment(splits, blocks, reason)


def parse_custom(data: bytes | None, name: str) -> CustomFile:
    """Read a file of the custom strategy.

    CSV in UTF-8 with the header ``video,first_frame,last_frame,split``. ``video`` is a partition or a video id; the
    frame numbers are those of the export, both included, and may both be empty for the whole video; ``split`` is
    ``train``, ``val``, ``test`` or ``guard`` (not used). Lines that begin with ``#`` and empty lines are skipped.

    Args:
        data: the file's bytes; None if there is no such file.
        name: for messages.

    Raises:
        DatasetError: ``custom_missing``, ``custom_header``, ``custom_row``, ``custom_frame``, ``custom_range``,
            ``custom_split``, ``custom_contradiction``, ``custom_empty``, naming line, field and value.
    """
    if data is None:
        raise DatasetError(
            "custom_missing",
            "strategy custom needs this file, and it is not there",
            file=name,
            remedy="Put it there (docs/splits.md describes it), or choose another splitting.strategy.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            "custom_header", "not UTF-8", file=name, value=str(error), remedy="Save the file as CSV in UTF-8."
        ) from error
    lines = [
        (number, [cell.strip() for cell in cells])
        for number, cells in _numbered(text, name)
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")
    ]
    if not lines or [cell.casefold() for cell in lines[0][1]] != HEADER:
        raise _refused(
            name,
            lines[0][0] if lines else 1,
            "header",
            ",".join(lines[0][1]) if lines else "",
            "custom_header",
            "the first line must name the columns",
            f"Begin with: {','.join(HEADER)}",
        )
    rows = [_row(name, line, cells) for line, cells in lines[1:]]
    if not rows:
        raise DatasetError(
            "custom_empty", "it assigns nothing", file=name, remedy=f"Add lines: {','.join(HEADER)} below the header."
        )
    _refuse_contradictions(name, rows)
    return CustomFile(name, hashlib.sha256(data).hexdigest(), tuple(rows))


def _numbered(text: str, name: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    found = []
    try:
        for cells in reader:
            found.append((reader.line_num, cells))
    except csv.Error as error:
        raise _refused(
            name, reader.line_num, "line", str(error), "custom_row", "not CSV", "Correct the line."
        ) from error
    return found


def _row(name: str, line: int, cells: Sequence[str]) -> CustomRow:
    if len(cells) != len(HEADER):
        raise _refused(
            name, line, "line", ",".join(cells), "custom_row", f"{len(cells)} columns instead of 4", "Give all four."
        )
    video, first_text, last_text, split = cells
    if not video:
        raise _refused(name, line, "video", video, "custom_row", "no video", "Name a partition or a video id.")
    if split.casefold() not in _SIDES:
        raise _refused(
            name, line, "split", split, "custom_split", "no such split", f"Choose from: {', '.join(_SIDES)}."
        )
    if not first_text and not last_text:
        return CustomRow(line, video, 0, _LAST, split.casefold())
    first, last = (
        _frame(name, line, field, cell) for field, cell in (("first_frame", first_text), ("last_frame", last_text))
    )
    if first > last:
        raise _refused(
            name,
            line,
            "last_frame",
            last_text,
            "custom_range",
            f"the range ends before it begins ({first})",
            "Swap the two numbers.",
        )
    return CustomRow(line, video, first, last, split.casefold())


def _frame(name: str, line: int, field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise _refused(
            name,
            line,
            field,
            text,
            "custom_frame",
            "not a frame number",
            "Give whole numbers from 0, or leave both frames empty for the whole video.",
        )
    return int(text)


def _refuse_contradictions(name: str, rows: Sequence[CustomRow]) -> None:
    """No frame may be assigned twice. A video named by partition here and by id there is found when it is assigned."""
    reached: dict[str, CustomRow] = {}
    for row in sorted(rows, key=lambda each: (each.video, each.first, each.line)):
        before = reached.get(row.video)
        if before is not None and row.first <= before.last:
            one, two = sorted((before, row), key=lambda each: each.line)
            raise _assigned_again(name, two, one)
        reached[row.video] = row


def _assigned_again(name: str, row: CustomRow, before: CustomRow) -> DatasetError:
    return _refused(
        name,
        row.line,
        "first_frame",
        row.first,
        "custom_contradiction",
        f"frames of {row.video} that line {before.line} assigns to {before.split} are assigned again",
        "Let each frame be in one range.",
    )


def _refused(name: str, line: int, field: str, value: object, code: str, problem: str, remedy: str) -> DatasetError:
    return DatasetError(code, problem, file=name, field=f"line {line}: {field}", value=value, remedy=remedy)
