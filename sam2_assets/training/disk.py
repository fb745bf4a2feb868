"""When the disk is full: which, and what to do; libraries say it in words of their own."""

from __future__ import annotations

import errno
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sam2_assets.errors import TrainingError, no_room_left

# safetensors passes on the system's words; torch's writer of ZIP files says only where it noticed
_WORDS: Final = re.compile(
    rf"\(os error ({errno.ENOSPC}|{errno.EDQUOT})\)|PytorchStreamWriter failed|inline_container\.cc.* unexpected pos"
)
_WRITTEN: Final = ("work", "out")


def is_disk_full(error: BaseException) -> bool:
    """Whether something could not be written for want of room, or of quota."""
    return any(no_room_left(each) or _WORDS.search(str(each)) for each in _with_causes(error))


def disk_full(job: Path) -> TrainingError:
    """The error to show; ``job`` is the job file of the child, which names the folders that it writes into."""
    named = json.loads(job.read_text(encoding="utf-8"))
    folders = [str(named[field]) for field in _WRITTEN if field in named]
    return TrainingError(
        "disk_full",
        "no room left on its disk",
        file=" or ".join(folders),
        remedy="Free space, then run again; what is published stays, a training goes on from its newest checkpoint.",
    )


@contextmanager
def threads_quiet() -> Iterator[None]:
    """In the block a thread that ends because a disk is full prints no traceback.

    It is the one that writes TensorBoard's events: the loop is told of it at its next event, and ends with our line.
    """
    before = threading.excepthook

    def unless_full(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is None or not is_disk_full(failure.exc_value):
            before(failure)

    threading.excepthook = unless_full
    try:
        yield
    finally:
        threading.excepthook = before


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
