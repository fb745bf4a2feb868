"""Samples as a model family will see them: picture resized and padded, question, answer, and the boxes it means.

Boxes are drawn from the numbers of question and answer, in the family's coordinates, on the picture that its
processor makes: if either were wrong, the boxes would lie beside the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sam2_assets.coordinates import Convention, ImageGeometry, model_numbers, polygon_numbers, qwen_picture_size
from sam2_assets.errors import SettingsError
from sam2_assets.instructions.reading import asked_tasks
from sam2_assets.instructions.rows import read_rows
from sam2_assets.instructions.sample import Sample, markers
from sam2_assets.instructions.views.files import write_json

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]
PREVIEW_FILE = "preview.json"
PREVIEW_PAGE = "preview.md"
_COLOURS = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
"""Of Okabe & Ito: apart for colour-blind eyes too."""
_ASKED = (255, 255, 255)


@dataclass(frozen=True)
class Sight:
    """How a model family sees a frame, with the sizes of its published models.

    Args:
        convention: of its boxes.
        size: frame ``(width, height)`` to that of the picture the model gets, pixels.
        fill: the colour with which the frame is padded to a centred square first; None if it is not.
        words: what is done to the frame.
    """

    convention: Convention
    size: Callable[[Size], Size]
    fill: tuple[int, int, int] | None
    words: str

    def picture(self, frame: Image) -> Image:
        """The picture that the model gets, before its values are normalised."""
        from PIL import Image as Pictures

        shown = frame
        if self.fill is not None:
            side = max(frame.size)
            shown = Pictures.new("RGB", (side, side), self.fill)
            shown.paste(frame, ((side - frame.width) // 2, (side - frame.height) // 2))
        return shown.resize(self.size(frame.size), Pictures.Resampling.BICUBIC)

    def geometry(self, frame: Size) -> ImageGeometry:
        """The sizes that a conversion of boxes needs."""
        return ImageGeometry(frame, self.size(frame) if self.convention is Convention.RESIZED_PIXELS else None)

    def pixels(self, numbers: Sequence[float], picture: Size) -> list[float]:
        """Numbers of a question or answer, ``x, y, x, y, ...``, as pixels of :meth:`picture`."""
        if self.convention is Convention.RESIZED_PIXELS:
            return list(numbers)
        unit = 1 if self.convention is Convention.PADDED_UNIT_SQUARE else 1000
        return [number / unit * picture[index % 2] for index, number in enumerate(numbers)]


def _square(side: int) -> Callable[[Size], Size]:
    return lambda frame: (side, side)


_QWEN2 = "resized to multiples of 28 pixels, shape kept"
SIGHTS: Mapping[str, Sight] = {
    "llava": Sight(Convention.PADDED_UNIT_SQUARE, _square(336), (122, 116, 104), "padded to a square, 336 x 336"),
    "qwen2_vl": Sight(Convention.THOUSANDTHS, qwen_picture_size, None, _QWEN2),
    "qwen2_5_vl": Sight(Convention.RESIZED_PIXELS, qwen_picture_size, None, _QWEN2),
    "qwen3_vl": Sight(
        Convention.THOUSANDTHS,
        lambda frame: qwen_picture_size(frame, factor=32, least_pixels=65_536, most_pixels=16_777_216),
        None,
        "resized to multiples of 32 pixels, shape kept",
    ),
    "instructblip": Sight(Convention.THOUSANDTHS, _square(224), None, "squashed to 224 x 224"),
    "demo_assembly": Sight(
        Convention.PADDED_UNIT_SQUARE, _square(224), (127, 127, 127), "padded to a square, 224 x 224"
    ),
}
"""By model family, as settings spell it."""


@dataclass(frozen=True)
class Shown:
    """A sample as a model family sees it.

    Args:
        sample_id: which one.
        task: its task.
        question: with boxes in the family's coordinates; the chat template comes around it.
        answer: the same.
        picture: what the model gets, with the boxes of answer (in colours, numbered) and question (white) drawn.
    """

    sample_id: str
    task: str
    question: str
    answer: str
    picture: Image


def sight_of(family: str) -> Sight:
    """How a family sees.

    Raises:
        SettingsError: ``unknown_family``.
    """
    if family not in SIGHTS:
        raise SettingsError(
            "unknown_family",
            "no such model family",
            field="family",
            value=family,
            remedy=f"Choose from: {', '.join(SIGHTS)}.",
        )
    return SIGHTS[family]


def first_samples(dataset: Path, count: int) -> list[Sample]:
    """The first samples of a dataset, task after task in turn, each task from the first frame on.

    Raises:
        DatasetError: what reading the dataset raises.
    """
    waiting: dict[str, list[Sample]] = {task: [] for task in asked_tasks(dataset)}
    for row in read_rows(dataset, pictures=False):
        for sample in row.samples():
            if len(waiting[sample.task]) < count:
                waiting[sample.task].append(sample)
        if all(len(found) >= count for found in waiting.values()):
            break
    turns = [found[turn] for turn in range(count) for found in waiting.values() if turn < len(found)][:count]
    frames = {sample.frame_index for sample in turns}
    pictures = {row.frame_index: row.image_bytes for row in read_rows(dataset, frames=frames)}
    return [replace(sample, image_bytes=pictures[sample.frame_index]) for sample in turns]


def show(sample: Sample, family: str) -> Shown:
    """One sample as a family sees it.

    Raises:
        SettingsError: ``unknown_family``.
    """
    from PIL import ImageDraw

    sight = sight_of(family)
    frame = (sample.width, sample.height)
    geometry = sight.geometry(frame)
    picture = sight.picture(sample.image())
    pen = ImageDraw.Draw(picture)
    drawn = 0
    for text, asked in ((sample.question, True), (sample.answer, False)):
        for marker in markers(text):
            box = sample.box_of(marker)
            if box is None:
                corners = sight.pixels(polygon_numbers(marker.polygon or (), sight.convention, geometry), picture.size)
                # Below the box that it belongs to, in its colour.
                pen.polygon(corners, outline=_COLOURS[(drawn - 1) % len(_COLOURS)])
                continue
            x0, y0, x1, y1 = sight.pixels(model_numbers(box, sight.convention, geometry), picture.size)
            colour = _ASKED if asked else _COLOURS[drawn % len(_COLOURS)]
            pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=colour, width=2)
            if not asked:
                drawn += 1
                tag = (x0, max(y0 - 12, 0))
                pen.rectangle((*tag, tag[0] + 6 * len(str(drawn)) + 3, tag[1] + 11), fill=colour)
                pen.text((tag[0] + 2, tag[1]), str(drawn), fill=(255, 255, 255))
    return Shown(
        sample.sample_id,
        sample.task,
        sample.render_question(sight.convention, geometry.resized),
        sample.render_answer(sight.convention, geometry.resized),
        picture,
    )


def markdown(shown: Shown, address: str) -> str:
    """A sample as Markdown; ``address`` leads to its picture."""
    # Indented text is shown as it is: a label may hold anything but a line break.
    spoken = "\n".join("    " + line for line in (f"Q: {shown.question}", *f"A: {shown.answer}".split("\n")))
    return f"**{shown.task}** `{shown.sample_id}`\n\n![{shown.task}]({address})\n\n{spoken}\n"


def write_preview(dataset: Path, out: Path, families: Sequence[str], count: int) -> list[Path]:
    """Write the first samples as each family sees them: ``<family>_<n>.png``, ``preview.md`` and ``preview.json``.

    Args:
        dataset: folder published by ``build_dataset``.
        out: folder to write into; made if absent.
        families: names in ``SIGHTS``.
        count: samples of each family.

    Returns:
        The pictures, in order.

    Raises:
        SettingsError: ``unknown_family``.
        DatasetError: what reading the dataset raises.
    """
    for family in families:
        sight_of(family)
    samples = first_samples(dataset, count)
    out.mkdir(parents=True, exist_ok=True)
    paths, page, entries = [], ["# Samples as models see them\n"], []
    for family in families:
        page.append(f"## {family}\n\nThe frame is {SIGHTS[family].words}.\n")
        for number, sample in enumerate(samples, start=1):
            shown = show(sample, family)
            path = out / f"{family}_{number:02d}.png"
            shown.picture.save(path, format="PNG")
            paths.append(path)
            page.append(markdown(shown, path.name))
            entries.append(
                {
                    "family": family,
                    "picture": path.name,
                    "width": shown.picture.width,
                    "height": shown.picture.height,
                    "sample": shown.sample_id,
                    "task": shown.task,
                    "question": shown.question,
                    "answer": shown.answer,
                }
            )
    (out / PREVIEW_PAGE).write_text("\n".join(page), encoding="utf-8", newline="\n")
    write_json(out / PREVIEW_FILE, entries)
    return paths
