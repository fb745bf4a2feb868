"""Quarantine: uploads that nobody could read, each with the reason.

A record stands for one version of one upload. It keeps that version from being imported again and again, and it is
what the sensor and ``sam2-assets status`` show. The uploaded file stays where it is; a new version of it is not in
quarantine.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from sam2_assets.errors import ExportError
from sam2_assets.inbox import Upload
from sam2_assets.storage import Storage

_PLACE = "quarantine"


class Quarantined(BaseModel):
    """Why a version of an upload is not imported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str
    export: str
    fingerprint: str
    code: str
    reason: str


def _name(partition: str) -> str:
    return f"{_PLACE}/{partition}.json"


def quarantine(files: Storage, upload: Upload, error: ExportError) -> Quarantined:
    """Record that this version of an upload cannot be read."""
    record = Quarantined(
        partition=upload.partition,
        export=upload.object_key,
        fingerprint=upload.fingerprint(),
        code=error.code,
        reason=str(error),
    )
    files.write(_name(upload.partition), record.model_dump_json(indent=1).encode())
    return record


def release(files: Storage, partition: str) -> None:
    """Forget the record of a partition whose upload could be read after all."""
    files.remove(_name(partition))


def quarantined(files: Storage) -> dict[str, Quarantined]:
    """Every record, by partition; whether it is about the version that is in the inbox now, the fingerprint says."""
    found = {}
    for file in files.list(_PLACE):
        text = files.read(file.name)
        if text is not None:
            record = Quarantined.model_validate_json(text)
            found[record.partition] = record
    return found
