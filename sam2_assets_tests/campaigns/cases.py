"""A case: its seed decides which upload is damaged, and how."""

from __future__ import annotations

import random
import warnings
import zipfile
from dataclasses import dataclass

from sam2_assets_tests.campaigns.bases import packed, uploads
from sam2_assets_tests.campaigns.mutators import ARCHIVE_MUTATORS, MUTATORS, any_bytes

_METHODS = (zipfile.ZIP_DEFLATED,) * 6 + (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True)
class Case:
    """An upload to import.

    Args:
        seed: which case this is.
        what: base and mutations, for people.
        archive: bytes of the ZIP.
        video: bytes of the file beside it.
    """

    seed: int
    what: str
    archive: bytes
    video: bytes | None


def case(seed: int) -> Case:
    """The case of a seed; it depends on nothing else but which real exports are there."""
    rng = random.Random(seed)
    upload = rng.choice(uploads())
    members, video, done = dict(upload.members), upload.video, []
    in_members = rng.random() < 0.7
    if in_members:
        mutators, weights = zip(*MUTATORS, strict=True)
        for mutate in rng.choices(mutators, weights, k=rng.choice((1, 1, 1, 2, 3))):
            members = mutate(members, rng)
            done.append(mutate.__name__)
    with warnings.catch_warnings(action="ignore"):
        archive = packed(members, rng.choice(_METHODS))
    if video is not None and rng.random() < 0.5:
        video = any_bytes(video, rng)
        done.append("video")
    elif not in_members:
        changes, weights = zip(*ARCHIVE_MUTATORS, strict=True)
        for change in rng.choices(changes, weights, k=rng.choice((1, 1, 2))):
            archive = change(archive, rng)
            done.append(change.__name__)
    return Case(seed, f"{upload.name}: {', '.join(done)}", archive, video)
