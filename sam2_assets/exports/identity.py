"""A video's identity from what an export shows of it, independent of file names, sessions and time stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Final

from sam2_assets.exports.document import Document
from sam2_assets.exports.pictures import Pixels

TELLING_FRAMES: Final = 4
"""So many pictures, or frames with masks, are part of the identity."""
_DIGITS: Final = 16


def video_identity(
    document: Document,
    pictures: Collection[int],
    load: Callable[[int], Pixels],
    masks: Sequence[tuple[int, int, str]],
) -> str:
    """16 hexadecimal digits.

    The hash covers width, height, number of frames and the decoded pixels of the first four pictures; without
    pictures the masks of the first four frames that have some; without masks the indices of all annotated frames.
    It is taken from the export alone, so that giving the source video later does not make another video of it, and
    from decoded pixels, so that packing anew does not either. Painted pictures are part of it: two exports of one
    video with different annotations are two identities here; ``appearance`` recognises them.

    Args:
        document: the export.
        pictures: indices of annotated frames that have a picture in the export.
        load: gives the pixels of such a frame.
        masks: ``(frame_index, object_id, COCO counts)`` sorted; those of the first four frames that have some suffice.
    """
    digest = hashlib.sha256(f"{document.width} {document.height} {document.total_frames}".encode())
    for index in sorted(pictures)[:TELLING_FRAMES]:
        digest.update(f"\npicture {index} ".encode() + load(index).tobytes())
    if not pictures:
        first = sorted({frame for frame, _, _ in masks})[:TELLING_FRAMES]
        for frame, object_id, counts in masks:
            if frame in first:
                digest.update(f"\nmask {frame} {object_id} {counts}".encode())
        if not masks:
            digest.update(repr([frame.frame_index for frame in document.frames]).encode())
    return digest.hexdigest()[:_DIGITS]
