"""The JSON documents of one archive, read within the bounds that hold for all of them together."""

from __future__ import annotations

from sam2_assets.exports.archive import Archive
from sam2_assets.exports.fields import Field
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.settings import ImportSettings


class Documents:
    """Reads members as JSON.

    Args:
        archive: the opened ZIP.
        settings: bounds; ``max_document_bytes`` holds for the sum of all documents read.
    """

    def __init__(self, archive: Archive, settings: ImportSettings) -> None:
        self.archive = archive
        self.settings = settings
        self._left = settings.max_document_bytes

    def field(self, member: str) -> Field:
        """A document as a field to descend from.

        Raises:
            ExportError: ``bad_json``, ``duplicate_key``, ``document_too_large``, and those of ``Archive.read``.
        """
        data = self.archive.read(member, self._left, "max_document_bytes")
        self._left -= len(data)
        return Field(member, "", parse_json(data, member, self.settings))
