"""From a raw export's tables and pictures to the canonical dataset folder, a few megabytes of pictures at a time."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import pandas as pd

from sam2_assets.errors import DatasetError
from sam2_assets.instructions.card import write_card
from sam2_assets.instructions.raw import objects_by_frame, read_picture, read_tables
from sam2_assets.instructions.rows import DATA_FOLDER, SUMMARY_FILE, Row, RowObject, main_object
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.instructions.shards import ShardWriter
from sam2_assets.instructions.tasks import Earlier, Scene, check_tasks, converse
from sam2_assets.instructions.views import check_formats, write_view
from sam2_assets.labels import alike
from sam2_assets.tables import FRAMES_FILE

_SHORTEST_BEFORE_S = 0.5
"""Nearer frames look the same: where something was then is where it is now."""
_LONGEST_BEFORE_S = 2.0


@dataclass(frozen=True)
class DatasetSummary:
    """What ``build_dataset`` published; ``dataset.json`` holds the same beside the settings.

    Args:
        video_id: content identity of the video.
        frames: rows of the dataset.
        objects: non-empty objects in them.
        samples: conversations of each task; fewer than frames where a task cannot be asked of every frame.
        none_answers: how many of task ``locate`` are answered with none.
        skipped: frames of the raw export that are not in the dataset, by reason.
        empty_objects: objects left out because their mask is empty.
        labels: how many objects carry each label, most frequent first.
        main_labels: the same for the largest object of each frame.
        image_origins: where the pictures come from (``ImageOrigin``), by frame.
        formats: records written by each view.
    """

    video_id: str
    frames: int
    objects: int
    samples: dict[str, int]
    none_answers: int
    skipped: dict[str, int]
    empty_objects: int
    labels: dict[str, int]
    main_labels: dict[str, int]
    image_origins: dict[str, int]
    formats: dict[str, int] = field(default_factory=dict)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class _Scenes:
    """What each frame's tasks may look at; frames come in order.

    Args:
        labels: all labels of the video.
        settings: which others may be asked for, how often, and how outlines are written.
    """

    def __init__(self, labels: Iterable[str], settings: InstructionSettings) -> None:
        self._alike = alike({*labels, *settings.other_labels})
        self._settings = settings
        self._before: deque[tuple[float, tuple[RowObject, ...]]] = deque()

    def of(self, time_s: float, width: int, height: int, objects: tuple[RowObject, ...]) -> Scene:
        """The scene of the next frame."""
        settings, before = self._settings, self._before
        while before and time_s - before[0][0] > _LONGEST_BEFORE_S:
            before.popleft()
        past = (Earlier(time_s - t, them) for t, them in reversed(before) if time_s - t >= _SHORTEST_BEFORE_S)
        earlier = next(past, None)
        before.append((time_s, objects))
        # Whoever sees the cat, or two of them, could not answer "none" when asked for the Cat or for cats.
        shown = frozenset().union(*(self._alike[o.label] for o in objects))
        return Scene(
            objects=objects,
            width=width,
            height=height,
            absent=sorted(self._alike.keys() - shown),
            earlier=earlier,
            none_share=settings.none_share,
            polygon_points=settings.polygon_points if settings.polygons else 0,
        )


def _rows(
    raw: Path,
    frames: pd.DataFrame,
    by_frame: dict[int, tuple[RowObject, ...]],
    settings: InstructionSettings,
    skipped: Counter[str],
    origins: Counter[str],
) -> Iterator[Row]:
    scenes = _Scenes((o.label for found in by_frame.values() for o in found), settings)
    for frame in frames.sort_values("frame_index", kind="stable").to_dict("records"):
        index = int(frame["frame_index"])
        objects = by_frame.get(index)
        if objects is None:
            skipped["no_object"] += 1
            continue
        if not isinstance(frame["image"], str):
            skipped["no_picture"] += 1
            continue
        origins[str(frame["image_origin"])] += 1
        video_id, time_s = str(frame["video_id"]), float(frame["time_s"])
        scene = scenes.of(time_s, int(frame["width"]), int(frame["height"]), objects)
        yield Row(
            video_id=video_id,
            frame_index=index,
            time_s=time_s,
            width=scene.width,
            height=scene.height,
            objects=objects,
            conversations=converse(video_id, index, scene, settings),
            image_name=Path(frame["image"]).name,
            image_bytes=read_picture(raw, frame),
        )


def build_dataset(raw: Path, out: Path, settings: InstructionSettings) -> DatasetSummary:
    """Write the canonical dataset of one video, its card, ``dataset.json`` and the chosen views into ``out``.

    One row a frame that has a picture and an object with a non-empty mask; boxes in frame pixels, answers as templates
    (see docs/architecture.md). The same folder, settings and seed give the same bytes.

    Args:
        raw: folder published by ``raw_export``.
        out: folder to write; made if absent.
        settings: tasks, phrasings, views and sizes.

    Raises:
        SettingsError: tasks, questions or formats that do not exist or cannot be used.
        DatasetError: ``not_a_raw_export``, ``video_id``, ``label_token``, ``picture_unreadable``,
            ``picture_changed``, ``picture_size``, ``no_samples``.
    """
    check_tasks(settings)
    check_formats(settings.formats)
    tables = read_tables(raw)
    by_frame = objects_by_frame(tables.objects)
    skipped: Counter[str] = Counter()
    origins: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    main_labels: Counter[str] = Counter()
    samples: Counter[str] = Counter(dict.fromkeys(settings.tasks, 0))
    nones = frames = 0
    with ShardWriter(out / DATA_FOLDER, settings) as writer:
        for row in _rows(raw, tables.frames, by_frame, settings, skipped, origins):
            frames += 1
            labels.update(o.label for o in row.objects)
            main_labels[main_object(row.objects).label] += 1
            samples.update(talk.task for talk in row.conversations)
            nones += sum(talk.task == "locate" and "<|" not in talk.answer for talk in row.conversations)
            writer.add(row)
    if frames == 0:
        raise DatasetError(
            "no_samples",
            "no frame has both a picture and an object",
            file=FRAMES_FILE,
            field="skipped",
            value=dict(skipped),
            remedy="Annotate objects and export with images, or give the source video beside the export.",
        )
    summary = DatasetSummary(
        video_id=tables.video_id,
        frames=frames,
        objects=sum(labels.values()),
        samples=dict(samples),
        none_answers=nones,
        skipped=_ranked(skipped),
        empty_objects=int(tables.objects["empty"].sum()),
        labels=_ranked(labels),
        main_labels=_ranked(main_labels),
        image_origins=_ranked(origins),
        formats={name: write_view(out, name, out / "formats" / name) for name in settings.formats},
    )
    document = {**asdict(summary), "settings": settings.model_dump()}
    (out / SUMMARY_FILE).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    write_card(out, asdict(summary))
    return summary
