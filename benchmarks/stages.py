"""The child process that is measured: floor, import and checks of one export, over and over; prints JSON."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import orjson
import psutil

from sam2_assets.exports import read_export
from sam2_assets.quality import QualitySettings, assess
from sam2_assets.tables import Tables
from sam2_assets.threads import cores

Times = dict[str, dict[str, float]]
_SAMPLE_EVERY_S = 0.02
_SAMPLE_TIMED_EVERY_S = 1.0
_AT_ONCE = 64


def floor(archive: Path) -> None:
    """What nobody can avoid: unpack ``annotations.json`` and parse it, and decode every picture, on all cores."""
    with zipfile.ZipFile(archive) as opened:
        orjson.loads(opened.read("annotations.json"))
        pictures = [name for name in opened.namelist() if name.endswith(".png")]
        with ThreadPoolExecutor(cores()) as pool:
            # a few at a time: what is read waits in memory until it is decoded
            for start in range(0, len(pictures), _AT_ONCE):
                deque(pool.map(_decode, map(opened.read, pictures[start : start + _AT_ONCE])), maxlen=0)


def _decode(png: bytes) -> None:
    cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def checks(out: Path) -> None:
    """Every check there is, from the stored tables; those of pixels find none in an export without pictures."""
    assess(Tables.read(out), out, QualitySettings())


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds on the clock, and processor seconds of this process with all its threads and children."""
    clock, own, children = time.perf_counter(), time.process_time(), os.times()
    work()
    after = os.times()
    used = time.process_time() - own
    used += after.children_user - children.children_user + after.children_system - children.children_system
    return {"wall_s": time.perf_counter() - clock, "cpu_s": used}


def one_round(archive: Path) -> Times:
    """Each stage once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        return {
            "floor": timed(lambda: floor(archive)),
            "import": timed(lambda: read_export(archive, out)),
            "checks": timed(lambda: checks(out)),
        }


class PeakMemory:
    """The most that this process and its children held together, sampled; shared pages count once for each."""

    def __init__(self, every_s: float = _SAMPLE_EVERY_S) -> None:
        self.bytes = 0
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        me = psutil.Process()
        while True:
            held = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    held += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, held)
            if self._stop.wait(self._every_s):
                break

    def stop(self) -> int:
        """Bytes."""
        self._stop.set()
        self._thread.join()
        return self.bytes


def measure(archive: Path, repeats: int) -> dict[str, object]:
    """The first round (loads and compiles), the medians of ``repeats`` more, and the peak of memory in MB.

    Memory is watched in the first round and in one more at the end, whose times do not count: looking for children
    walks over all processes of the machine, and would be paid by whatever lets go of the interpreter's lock. Without
    ``repeats`` the first round counts, which must then be long: memory is looked at once a second.
    """
    memory = PeakMemory(_SAMPLE_EVERY_S if repeats else _SAMPLE_TIMED_EVERY_S)
    first = one_round(archive)
    peak = memory.stop()
    rounds = [one_round(archive) for _ in range(repeats)] or [first]
    if repeats:
        memory = PeakMemory()
        one_round(archive)
        peak = max(peak, memory.stop())
    medians = {stage: {kind: median(each[stage][kind] for each in rounds) for kind in first[stage]} for stage in first}
    return {"first": first, "median": medians, "peak_mb": peak / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--repeats", type=int, required=True)
    given = parser.parse_args()
    print(json.dumps(measure(given.archive, given.repeats)))


if __name__ == "__main__":
    main()
