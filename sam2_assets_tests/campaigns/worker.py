"""Runs one case in a forked process with a bound on memory, and measures what it took.

The parent has imported everything, so that a case costs a fork and no more. It measures peak resident memory and
processor time (not the clock: other processes may be busy) from the kernel's account of the child.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam2_assets.errors import Sam2AssetsError
from sam2_assets.exports import read_export
from sam2_assets.exports.document import Order
from sam2_assets.exports.json_text import parse_json
from sam2_assets.exports.masks import measure
from sam2_assets.exports.run_loops import set_neighbours
from sam2_assets.exports.runs import parse_runs
from sam2_assets.exports.settings import ImportSettings
from sam2_assets.quality import QualitySettings, assess
from sam2_assets.quality.masks import pair_ious
from sam2_assets.quality.runs import measure_all
from sam2_assets.quality.shapes import measure_shapes
from sam2_assets.quality.texts import Texts
from sam2_assets.tables import Tables
from sam2_assets_tests.campaigns.cases import Case

MOST_MEMORY = 1024**3
MOST_SECONDS = 10.0
READ = "read"
_KILL_AFTER = 300.0
_ADDRESS_SPACE = 3 * 1024**3
"""Above what is there at the start: address space is not memory, but a request for 100 GB must fail and not swap."""
_LONGEST_MESSAGE = 5000
_CHANGES = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.chmod", "os.truncate")


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Args:
        seed: of the case.
        what: of the case.
        outcome: ``read``, or the code of the error.
        offence: what must not happen and did; None if nothing.
        memory: peak resident bytes.
        seconds: processor time.
    """

    seed: int
    what: str
    outcome: str
    offence: str | None
    memory: int
    seconds: float


@cache
def _warm_up() -> None:
    """Have the loops over run lengths compiled here, so that no child does it, or writes to the compiler's cache."""
    # A fork copies no threads: a picture that OpenCV wants to share among its own would wait for them for ever.
    cv2.setNumThreads(1)
    parse_json(b"{}", "", ImportSettings())
    runs = parse_runs(["1 2 1", "0 4"], "", lambda: ["", ""])
    set_neighbours(runs.lengths[:3], 2)
    for order in Order:
        counts = measure(runs, (2, 2), order, 4, 4).counts
    measure_all(counts, np.array([(2, 2, 4, 4)] * 2))
    measure_shapes(counts, (2, 2), 1)
    pair_ious(Texts.of(counts), np.array([(0, 1)]), (2, 2))


def run(case: Case, folder: Path) -> Outcome:
    """Import the case in ``folder`` (made, and removed again), in a process of its own."""
    _warm_up()
    folder.mkdir(parents=True)
    (folder / "export.zip").write_bytes(case.archive)
    if case.video is not None:
        (folder / "video.mp4").write_bytes(case.video)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(case, folder, writing)
    os.close(writing)
    answer, killed = _listen(child, reading)
    _, status, usage = os.wait4(child, 0)
    said = json.loads(answer) if answer.endswith(b"}") else {"outcome": "died", "offence": f"exit status {status}"}
    seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    offence = said["offence"]
    if killed:
        offence = f"killed after {_KILL_AFTER:g} s"
    elif offence is None and memory > MOST_MEMORY:
        offence = f"{memory / 1024**2:.0f} MiB"
    elif offence is None and seconds > MOST_SECONDS:
        offence = f"{seconds:.1f} s"
    left = sorted(path.name for path in folder.iterdir())
    if offence is None and not set(left) <= {"export.zip", "video.mp4", "out"}:
        offence = f"left files behind: {left}"
    shutil.rmtree(folder)
    return Outcome(case.seed, case.what, said["outcome"], offence, memory, seconds)


def _listen(child: int, reading: int) -> tuple[bytes, bool]:
    with os.fdopen(reading, "rb") as pipe:
        if not select.select([pipe], [], [], _KILL_AFTER)[0]:
            os.kill(child, signal.SIGKILL)
            return b"", True
        return pipe.read(), False


def _child(case: Case, folder: Path, writing: int) -> None:
    """Never returns."""
    result: dict[str, Any] = {"outcome": "traceback", "offence": "?"}
    try:
        os.chdir(folder)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + _ADDRESS_SPACE,) * 2)
        # A module that is imported for the first time here would be written to its __pycache__.
        sys.dont_write_bytecode = True
        written = _watch_writes(folder / "out")
        result = _import(case, folder)
        if result["offence"] is None and written:
            result["offence"] = f"wrote outside its folder: {written[:3]}"
    except BaseException:  # noqa: BLE001 whatever it is, it is the finding
        result["offence"] = "".join(traceback.format_exc().splitlines(keepends=True)[-8:])
    finally:
        os.write(writing, json.dumps(result).encode()[:60_000])
        os._exit(0)


def _import(case: Case, folder: Path) -> dict[str, Any]:
    out = folder / "out"
    out.mkdir()
    video = None if case.video is None else folder / "video.mp4"
    try:
        read_export(folder / "export.zip", out, video=video)
    except Sam2AssetsError as error:
        message, offence = str(error), None
        if any(out.iterdir()):
            offence = "an error left files in the folder"
        elif not message.isprintable() or len(message) > _LONGEST_MESSAGE or not error.remedy:
            offence = f"the message is no short line: {message[:200]!r}"
        return {"outcome": error.code, "offence": offence}
    assess(Tables.read(out), out, QualitySettings())
    return {"outcome": READ, "offence": None}


def _watch_writes(allowed: Path) -> list[str]:
    """The list to which every path outside ``allowed`` is added that Python code opens for writing, makes or moves."""
    found: list[str] = []
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & writing
        if opened or event in _CHANGES:
            # not resolved: that would open files, and ask this function again
            path = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(arguments[0])))  # noqa: PTH109, PTH118
            if path != str(allowed) and not path.startswith(f"{allowed}{os.sep}"):
                found.append(f"{event} {path}")

    sys.addaudithook(note)
    return found
