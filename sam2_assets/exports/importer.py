"""The station ``raw_export``: an export archive in, tables, pictures and ``import.json`` out; all or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pandas as pd

from sam2_assets.errors import ExportError
from sam2_assets.exports.appearance import Appearance, cells, telling_frames
from sam2_assets.exports.archive import Archive
from sam2_assets.exports.collector import with_collector, without_collector
from sam2_assets.exports.colours import exchanged, exchanged_sample
from sam2_assets.exports.consistency import check_metadata, incomplete_frames, refuse_excess
from sam2_assets.exports.document import Document, Segment
from sam2_assets.exports.documents import Documents
from sam2_assets.exports.evidence import Decision, Verdict, judge
from sam2_assets.exports.identity import TELLING_FRAMES, video_identity
from sam2_assets.exports.labels import clean_text
from sam2_assets.exports.layout import Layout, find_layout
from sam2_assets.exports.malware import scan_upload
from sam2_assets.exports.objects import objects_table
from sam2_assets.exports.overlay import painted_region
from sam2_assets.exports.pictures import Pixels, check_picture, decode_picture, encode_png
from sam2_assets.exports.reading import read_document
from sam2_assets.exports.repairs import list_repairs
from sam2_assets.exports.sampling import look_at, sample_frames
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.exports.stated import stated_facts
from sam2_assets.exports.video import SourceVideo, match_video, read_frames, size_and_length
from sam2_assets.exports.video_facts import VideoFacts
from sam2_assets.pixels import PICTURES_FILE, Progress, Survey
from sam2_assets.tables import Frames, ImageOrigin, Objects, Tables

IMPORT_FILE: Final = "import.json"
IMAGES_FOLDER: Final = "images"
DEFAULTS: Final = ImportSettings()


@dataclass(frozen=True)
class ExportSummary:
    """What was imported.

    Args:
        video_id: 16 hexadecimal digits of content identity.
        width: of the frames, pixels.
        height: of the frames, pixels.
        total_frames: of the video.
        fps: frames per second in use.
        fps_origin: ``source_video`` or ``assumed``.
        frames: annotated frames.
        objects: objects in all frames.
        image_origins: ``ImageOrigin`` value -> frames.
        repairs: what -> how many.
        warnings: sentences for people.
    """

    video_id: str
    width: int
    height: int
    total_frames: int
    fps: float
    fps_origin: str
    frames: int
    objects: int
    image_origins: dict[str, int]
    repairs: dict[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Picture:
    """A written picture; ``name`` is relative to the artifact's folder."""

    name: str
    sha256: str


class _Export:
    """An opened export: its document, and its pictures on demand."""

    def __init__(self, archive: Archive, video: Path | None, settings: ImportSettings) -> None:
        self.archive = archive
        self.settings = settings
        self.layout: Layout = find_layout(archive)
        self.document: Document = read_document(
            Documents(archive, settings), self.layout, lambda: _unstated_facts(self.layout, video, settings)
        )
        refuse_excess(self.document, settings)
        annotated = {frame.frame_index for frame in self.document.frames}
        self.pictured = sorted(annotated & self.layout.pictures.keys())
        self.stray = sorted(self.layout.pictures.keys() - annotated)
        self._refuse_renumbered()

    def _refuse_renumbered(self) -> None:
        """Pictures, and none of an annotated frame: a source video could not be held against any of them."""
        with_objects = [frame.frame_index for frame in self.document.frames if frame.objects]
        if self.pictured or not self.stray or not with_objects:
            return
        raise ExportError(
            "pictures_of_other_frames",
            f"none of the {len(self.stray)} pictures shows an annotated frame: the first is of frame {self.stray[0]}, "
            f"the first object in frame {with_objects[0]}",
            remedy="Frames were renumbered, or files of two exports mixed: export again.",
            file=self.layout.annotations,
            field="annotations[].frame_index",
            value=with_objects[0],
        )

    def picture_bytes(self, index: int) -> bytes:
        return self.archive.read(self.layout.pictures[index], self.settings.max_picture_bytes, "max_picture_bytes")

    def pixels(self, index: int) -> Pixels:
        data = self.picture_bytes(index)
        return decode_picture(data, self.layout.pictures[index], self.document.width, self.document.height)

    def pixels_exchanged(self, index: int) -> Pixels:
        return exchanged(self.pixels(index))

    def original_pictures(self) -> Iterator[tuple[int, bytes, str]]:
        """Index, bytes and suffix of every picture of an annotated frame, checked."""
        for index in self.pictured:
            data = self.picture_bytes(index)
            yield (
                index,
                data,
                check_picture(data, self.layout.pictures[index], self.document.width, self.document.height),
            )


def _unstated_facts(layout: Layout, video: Path | None, settings: ImportSettings) -> VideoFacts:
    """Size and length of the video of an export that states neither: from the video itself, or as configured."""
    if video is not None:
        width, height, frames = size_and_length(video, settings)
        return VideoFacts(width, height, frames, "source video", filename=video.name)
    if settings.frame_width is not None and settings.frame_height is not None:
        return VideoFacts(settings.frame_width, settings.frame_height, None, "settings")
    raise ExportError(
        "frame_size_unknown",
        "this layout does not state the size of the video's frames, which boxes need",
        remedy="Put the source video beside the export, or set importing.frame_width and importing.frame_height.",
        file=layout.annotations,
    )


def read_export(
    archive: Path,
    out: Path,
    *,
    video: Path | None = None,
    settings: ImportSettings = DEFAULTS,
    progress: Progress | None = None,
) -> ExportSummary:
    """Read an export of the SAM2 demo, in any layout of ``docs/exports.md``, into an artifact's folder.

    Writes ``frames.parquet``, ``objects.parquet``, ``images/``, ``pictures.parquet`` and ``import.json`` as
    ``docs/architecture.md`` describes them. Frames are those the export annotates; boxes and areas are recomputed from
    the masks, times from the frame rate. If anything fails, ``out`` is left empty.

    Args:
        archive: the ZIP.
        out: an existing, empty folder.
        video: the demo's own transcoded video or the upload it was made from, for clean frames; refused if it does
            not agree with the export.
        settings: bounds, label map, assumed frame rate.
        progress: told the number of pictures measured so far.

    Raises:
        ExportError: whatever is wrong with the archive, the document, a mask, a picture or the video.
    """
    if any(out.iterdir()):
        raise ExportError("out_not_empty", "the folder has files", remedy="Give a new, empty folder.", file=out.name)
    for upload in (archive, video):
        if upload is not None:
            scan_upload(upload, settings.malware_scan)
    with ExitStack() as on_failure:
        on_failure.callback(_empty, out)
        with Archive(archive, settings) as opened, without_collector():
            summary = _import(_Export(opened, video, settings), archive, out, video, settings, progress)
        on_failure.pop_all()
    return summary


def _import(
    export: _Export,
    archive: Path,
    out: Path,
    video: Path | None,
    settings: ImportSettings,
    progress: Progress | None,
) -> ExportSummary:
    document = export.document
    warnings = [
        *document.notes,
        *check_metadata(export.archive, export.layout, document, settings),
        *incomplete_frames(document),
    ]
    if document.total_from == "last annotated frame":
        warnings.append("video: its length is not stated; taken as ending with the last annotated frame")
    samples = sample_frames(document, export.pictured, export.pixels, settings.evidence_frames)
    verdict = judge(document, samples, has_pictures=bool(export.pictured))
    warnings += verdict.warnings
    load = export.pixels
    if verdict.exchanged:
        samples = [exchanged_sample(sample) for sample in samples]
        load = export.pixels_exchanged
    objects = objects_table(
        document, verdict.order, settings.label_map, settings.max_mask_bytes, corners=verdict.corners
    )
    source = None
    if video is not None:
        with with_collector():
            source = match_video(
                video,
                document,
                samples,
                verdict.order,
                verdict.pictures,
                pictured=export.pictured,
                load=load,
                settings=settings,
            )
    if source is not None and source.exchanged:
        warnings.append("pictures: red and blue are exchanged, as the source video shows; its frames are used")
    if source is not None and not source.agreement:
        warnings.append("source video: no unpainted picture to compare with; only its size and length were checked")
    if export.stray:
        warnings.append(f"pictures: {len(export.stray)} show frames that are not annotated and were left out")
    with Survey(progress) as survey, with_collector() if export.pictured or source else nullcontext():
        pictures = _write_pictures(export, source, out, survey)
        survey.table().to_parquet(out / PICTURES_FILE, index=False)
    missing = len(document.frames) - len(pictures)
    if missing:
        warnings.append(f"pictures: {missing} of {len(document.frames)} annotated frames have none")
    if objects.empty:
        warnings.append("objects: no frame has any; an early build of the exporter wrote all lists empty")
    shapes, counts = np.unique(objects[["grid_h", "grid_w"]].to_numpy(np.int64), axis=0, return_counts=True)
    grids = {f"{h} x {w}": count for (h, w), count in zip(shapes.tolist(), counts.tolist(), strict=True)}
    if len(grids) > 1:
        warnings.append(f"masks: several grids in one export ({', '.join(grids)}, height x width)")
    fps, fps_origin = (settings.fps_assumed, "assumed") if source is None else (source.fps, "source_video")
    masks = objects.loc[~objects["empty"], ["frame_index", "object_id", "rle_counts"]]
    first = masks[masks["frame_index"].isin(masks["frame_index"].unique()[:TELLING_FRAMES])]
    rows = list(first.itertuples(index=False, name=None))
    video_id = video_identity(document, export.pictured, export.pixels, rows)
    origin = verdict.pictures if source is None else ImageOrigin.SOURCE_VIDEO
    tables = Tables(_frames_table(document, video_id, fps, pictures, origin), _with_video(objects, video_id))
    tables.validate()
    repairs = list_repairs(document, tables.objects, fps, fps_origin)
    origins = {str(name): int(n) for name, n in tables.frames["image_origin"].value_counts().sort_index().items()}
    tables.write(out)
    record = {
        "archive": {"name": archive.name, "sha256": _sha256(archive)},
        "video": {
            "id": video_id,
            "width": document.width,
            "height": document.height,
            "fps": fps,
            "fps_origin": fps_origin,
            "total_frames": document.total_frames,
            "duration_s": round(document.total_frames / fps, 6),
            "filename": document.filename,
        },
        "source_video": None if source is None else source.evidence(),
        "appearance": _appearance(document, verdict, pictures, origin, out),
        "segments": [_segment_entry(segment) for segment in document.segments],
        "stated": stated_facts(export.archive, export.layout, document, fps, settings),
        "decisions": [vars(each) for each in _decisions(export, verdict, grids, source, fps, fps_origin)],
        "repairs": repairs,
        "warnings": warnings,
        "pictures_without_record": export.stray,
    }
    (out / IMPORT_FILE).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return ExportSummary(
        video_id=video_id,
        width=document.width,
        height=document.height,
        total_frames=document.total_frames,
        fps=fps,
        fps_origin=fps_origin,
        frames=len(tables.frames),
        objects=len(tables.objects),
        image_origins=origins,
        repairs={str(repair["what"]): int(str(repair["count"])) for repair in repairs},
        warnings=tuple(warnings),
    )


def _decisions(
    export: _Export, verdict: Verdict, grids: dict[str, int], source: SourceVideo | None, fps: float, fps_origin: str
) -> list[Decision]:
    frames = "the export's own" if source is None else "the source video's"
    document, layout = export.document, export.layout
    writings = Counter(record.writing for frame in document.frames for record in frame.objects)
    return [
        Decision(
            "layout",
            document.layout,
            {
                "annotations": [part.annotations for part in layout.parts],
                "metadata": [part.metadata for part in layout.parts],
                "masks": {str(writing): count for writing, count in sorted(writings.items())},
            },
        ),
        Decision(
            "frame_size",
            f"{document.width} x {document.height}, {document.total_frames} frames",
            {"size": document.size_from, "length": document.total_from},
        ),
        *verdict.decisions,
        Decision("mask_grid", " and ".join(grids) or "none", {"objects": grids}),
        Decision(
            "frames",
            frames if source or export.pictured else "none",
            {"pictures_in_export": len(export.pictured), "source_video": source.path.name if source else None},
        ),
        Decision("fps", f"{fps:g}", {"origin": fps_origin, "stated": document.source_fps}),
    ]


def _segment_entry(segment: Segment) -> dict[str, object]:
    return {
        "id": segment.segment_id,
        "name": clean_text(segment.name),
        "name_raw": segment.name,
        "first_frame": segment.first_frame,
        "last_frame": segment.last_frame,
        "annotated_frames": segment.frames,
        "objects": {str(object_id): label for object_id, label in sorted(segment.objects.items())},
    }


def _write_pictures(export: _Export, source: SourceVideo | None, out: Path, survey: Survey) -> dict[int, _Picture]:
    """Write the pictures of annotated frames, each measured while the next are written; frame index -> picture."""
    folder = out / IMAGES_FOLDER
    folder.mkdir()
    written: dict[int, _Picture] = {}
    if source is None:
        pictures = export.original_pictures()
    else:
        frames = read_frames(source, export.document.width, export.document.height)
        pictures = ((index, encode_png(pixels), "png") for index, pixels in frames)
    for index, data, suffix in pictures:
        name = f"{IMAGES_FOLDER}/frame_{index:06d}.{suffix}"
        (out / name).write_bytes(data)
        survey.add(index, out / name)
        written[index] = _Picture(name, hashlib.sha256(data).hexdigest())
    return written


def _appearance(
    document: Document, verdict: Verdict, pictures: dict[int, _Picture], origin: ImageOrigin, out: Path
) -> Appearance:
    """What the written pictures look like where nothing is painted (``appearance``)."""
    records = {frame.frame_index: frame for frame in document.frames}
    found = {}
    for index in telling_frames(pictures.keys()):
        pixels = cv2.imread(str(out / pictures[index].name), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise ExportError(
                "picture_unreadable",
                "is not a readable PNG or JPEG",
                remedy="The archive is damaged or mixed up: export again.",
                file=pictures[index].name,
            )
        if verdict.exchanged and origin is not ImageOrigin.SOURCE_VIDEO:
            pixels = pixels[..., ::-1]
        painted = None
        if origin is ImageOrigin.EXPORT_OVERLAY and records[index].objects:
            frame = look_at(document, records[index], None)
            masks = frame.masks(frame.orders(verdict.order), document.width, document.height)
            painted = painted_region(records[index], masks)
        found[str(index)] = cells(np.ascontiguousarray(pixels, np.uint8), painted)
    return found


def _frames_table(
    document: Document, video_id: str, fps: float, pictures: dict[int, _Picture], origin: ImageOrigin
) -> pd.DataFrame:
    indices = [frame.frame_index for frame in document.frames]
    found = [pictures.get(index) for index in indices]
    missing, shown = str(ImageOrigin.MISSING), str(origin)
    table = pd.DataFrame(
        {
            "video_id": pd.array([video_id] * len(indices), dtype="str"),
            "frame_index": np.array(indices, np.int64),
            "time_s": np.array(indices, np.float64) / fps,
            "image": pd.array([None if p is None else p.name for p in found], dtype="str"),
            "image_origin": pd.array([missing if p is None else shown for p in found], dtype="str"),
            "image_sha256": pd.array([None if p is None else p.sha256 for p in found], dtype="str"),
            "width": np.full(len(indices), document.width, np.int64),
            "height": np.full(len(indices), document.height, np.int64),
        }
    )
    return table[list(Frames.to_schema().columns)]


def _with_video(objects: pd.DataFrame, video_id: str) -> pd.DataFrame:
    table = objects.assign(video_id=pd.array([video_id] * len(objects), dtype="str"))
    return table[list(Objects.to_schema().columns)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
