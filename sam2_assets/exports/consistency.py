"""Compares the parts of an export with each other and with the bounds: metadata, annotations, planned frames."""

from __future__ import annotations

from sam2_assets.errors import ExportError, brief
from sam2_assets.exports.archive import Archive
from sam2_assets.exports.bounds import too_large
from sam2_assets.exports.document import Document
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.layout import Layout
from sam2_assets.exports.settings import ImportSettings


def check_metadata(archive: Archive, layout: Layout, document: Document, settings: ImportSettings) -> list[str]:
    """Hold the metadata document, if there is one, against the annotations; returns warnings.

    The segments of an export of action segments have metadata of their own, which ``segments`` reads.

    Only what tells of a damaged export matters here: sizes that differ are refused, counts that differ and metadata
    that cannot be read are warned about, since nothing is taken from it.

    Raises:
        ExportError: ``metadata_contradiction``.
    """
    if layout.index is not None:
        return []
    if layout.metadata is None:
        return ["metadata: the export has no metadata.json; nothing is taken from it"]
    try:
        data = archive.read(layout.metadata, settings.max_document_bytes, "max_document_bytes")
        metadata = parse_json(data, layout.metadata, settings)
    except ExportError as error:
        if error.code not in ("bad_json", "duplicate_key"):
            raise
        return [f"metadata: {error}"]
    name = "video_info" if _section(metadata, "video_info") else "video"
    stated = _section(metadata, name)
    for side, value in (("width", document.width), ("height", document.height)):
        if stated.get(side, value) != value:
            raise ExportError(
                "metadata_contradiction",
                f"{document.file} says {value}",
                remedy="The archive mixes files of two exports: export again.",
                file=layout.metadata,
                field=f"{name}.{side}",
                value=stated[side],
            )
    counts = _section(metadata, "statistics")
    records = len(document.frames)
    objects = sum(len(frame.objects) for frame in document.frames)
    return [
        f"metadata: statistics.{name} is {brief(counts[name])}, but {document.file} has {value}"
        for name, value in (("total_frames", records), ("total_objects", objects))
        if name in counts and counts[name] != value
    ]


def refuse_excess(document: Document, settings: ImportSettings) -> None:
    """Refuse documents whose pixels or objects would take memory and time without end.

    Raises:
        ExportError: ``document_too_large``.
    """
    code = "document_too_large"
    pixels = document.width * document.height
    if pixels > settings.max_frame_pixels:
        most = settings.max_frame_pixels
        raise too_large(document.file, "max_frame_pixels", pixels, most, code=code, field="video.width")
    for frame in document.frames:
        if len(frame.objects) > settings.max_objects_per_frame:
            most, field = settings.max_objects_per_frame, f"{frame.path}.objects"
            raise too_large(document.file, "max_objects_per_frame", len(frame.objects), most, code=code, field=field)
    objects = sum(len(frame.objects) for frame in document.frames)
    if objects > settings.max_objects:
        raise too_large(document.file, "max_objects", objects, settings.max_objects, code=code, field="annotations")


def incomplete_frames(document: Document) -> list[str]:
    """Warnings about frames that the exporter set out to write and silently left out after an error, or the reverse."""
    if document.frame_indices is None:
        return []
    planned, written = set(document.frame_indices), {frame.frame_index for frame in document.frames}
    warnings = []
    for frames, what in (
        (planned - written, "planned but not written"),
        (written - planned, "written but not planned"),
    ):
        if frames:
            warnings.append(f"frames: {len(frames)} {what}, the first is {min(frames)} (export_config.frame_indices)")
    return warnings


def _section(document: object, name: str) -> dict[str, object]:
    section = document.get(name) if isinstance(document, dict) else None
    return section if isinstance(section, dict) else {}
