"""From the submission of a training to its first step: through Dagster's queue, with nothing started before.

``python -m benchmarks.first_step --rounds 3 --json out.json`` imports a sample video, approves its plan, starts what
``make ui`` starts (web server, daemon, code server), and launches ``train_video`` as the launchpad does. No run was
executed there before. The moments are read from Dagster's own events and from the training child's reports in the
step's log, which is looked at every 50 ms. The model is a tiny LLaVA with the real architecture, so that what is
measured is everything but the size of the weights. Processor time is that of all processes of this Dagster.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg
import psutil
from dagster._core.events import DagsterEventType as Event

from sam2_assets.assets.scope import VIDEO
from sam2_assets.automation.jobs import train_video
from sam2_assets.automation.settings import SWITCH
from sam2_assets.cli.instance import Platform, daemon_is_up
from sam2_assets.cli.webserver import UI_VARIABLE, WebServer, find_web_server
from sam2_assets.sample import SampleVideo, write_sample
from sam2_assets.training.job import TrainingJob
from sam2_assets_tests.conftest import TINY_SETTINGS, Home, approve_plan, new_home, submit
from sam2_assets_tests.free_port import free_port
from sam2_assets_tests.training.tiny_models import build_tiny_llava
from sam2_assets_tests.user_interface import user_interface

STEP = "lora_adapter"
PARTS = {
    "queued": "the web server takes the run",
    "dequeued": "it waits in the queue",
    "run": "the run worker starts and loads the code",
    "step": "the step's process starts and loads the code",
    "loading": "plan and data are verified, the training process imports its libraries",
    "starting": "the model is loaded, pictures are resized",
    "preflight": "the last look before the first step",
    "training": "the first step",
}
"""What ends at each moment, in order; the first begins with the submission."""
_PATIENCE_S = 900.0
_LOOK_S = 0.05
_REPORTS = ("loading", "starting", "preflight", "training")
_EVENTS = {Event.RUN_ENQUEUED: "queued", Event.RUN_STARTING: "dequeued", Event.RUN_START: "run"}


@dataclass(frozen=True)
class Round:
    """One cold start.

    Args:
        parts: seconds of each of ``PARTS``, by the clock.
        seconds: of all of them.
        processor_s: of all processes, from the submission to the first step.
    """

    parts: dict[str, float]
    seconds: float
    processor_s: float


def parts_of(submitted: float, moments: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each part.

    Args:
        submitted: seconds since the epoch.
        moments: those at which the parts ended, by the names of ``PARTS``.

    Raises:
        KeyError: a moment is missing.
    """
    ends = [submitted, *(moments[name] for name in PARTS)]
    return {name: end - begin for name, (begin, end) in zip(PARTS, itertools.pairwise(ends), strict=True)}


def table(rounds: Sequence[Round]) -> str:
    """Markdown: the median of each part, and of the whole."""
    lines = ["| part | seconds |", "| --- | --- |"]
    lines += [f"| {words} | {median(one.parts[name] for one in rounds):.1f} |" for name, words in PARTS.items()]
    every = ", ".join(f"{one.seconds:.1f}" for one in rounds)
    processor = median(one.processor_s for one in rounds)
    lines.append(f"| from the submission to the first step | {median(one.seconds for one in rounds):.1f} |")
    return "\n".join(lines) + f"\n\nEach round: {every} s. Processor time of all processes: {processor:.1f} s.\n"


def _until(found: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    """What ``found`` returns once that is true.

    Raises:
        RuntimeError: Dagster has ended, or patience has.
    """
    end = time.monotonic() + _PATIENCE_S
    while not (value := found()):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"it did not come so far:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(_LOOK_S)
    return value


def _processor_s(pid: int) -> float:
    """Of a process and its descendants, those included that have ended and were waited for."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


class _Reports:
    """When each phase of the training child was first read in the step's log."""

    def __init__(self, home: Home, run_id: str) -> None:
        self._home = home
        self._logs = f"**/{run_id}/**/*.out"
        self._child: psutil.Process | None = None
        self.moments: dict[str, float] = {}

    def look(self) -> bool:
        """Read what is new; whether the first step was made."""
        now = time.time()
        for log in (self._home.folder / ".state").glob(self._logs):
            for line in log.read_text(errors="replace").splitlines():
                for phase in _REPORTS:
                    if line.startswith(f'{{"phase": "{phase}"'):
                        self.moments.setdefault(phase, now)
        if self.moments and self._child is None:
            self._child = self._running()
        return "training" in self.moments

    def _running(self) -> psutil.Process:
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or [""]
            if TrainingJob.CHILD in command and command[-1].startswith(str(self._home.folder)):
                return process
        raise RuntimeError("the training child has ended already")

    def wait_for_end(self) -> None:
        """Once Dagster is gone, the child saves a checkpoint and goes."""
        if self._child is not None:
            psutil.wait_procs([self._child], timeout=_PATIENCE_S)


def _of_run(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """The moments that Dagster has recorded."""
    moments = {}
    for entry in instance.all_logs(run_id):
        if entry.dagster_event is None:
            continue
        kind = entry.dagster_event.event_type
        if kind in _EVENTS:
            moments[_EVENTS[kind]] = entry.timestamp
        if kind is Event.STEP_START and STEP in str(entry.dagster_event.step_key):
            moments["step"] = entry.timestamp
    return moments


def _launched(
    platform: Platform, home: Home, partition: str, process: subprocess.Popen[bytes]
) -> tuple[Round, _Reports]:
    log = home.folder / "ui.log"
    _until(lambda: daemon_is_up(platform.instance), process, log)
    server: WebServer = _until(lambda: find_web_server(platform.instance), process, log)
    before = _processor_s(process.pid)
    submitted = time.time()
    run_id = server.launch(train_video.name, partition)
    reports = _Reports(home, run_id)
    _until(reports.look, process, log)
    used = _processor_s(process.pid) - before
    parts = parts_of(submitted, _of_run(platform.instance, run_id) | reports.moments)
    return Round(parts, sum(parts.values()), used), reports


def measure(folder: Path, video: SampleVideo, base: Path) -> Round:
    """One cold start in a new home."""
    home = new_home(folder)
    home.write_settings(TINY_SETTINGS.replace("training:\n", f"training:\n  base_model: {base}\n"))
    # What starts by itself would start the approved plan before it is submitted.
    os.environ[SWITCH] = "off"
    with home.platform() as platform:
        partition = submit(platform, video)
        imported = home.run(platform, "ingest", partition)
        if not imported.success:
            raise RuntimeError(f"the sample was not imported: {imported.reasons}")
        approve_plan(platform, VIDEO, partition)
        port = free_port()
        os.environ[UI_VARIABLE] = f"http://127.0.0.1:{port}"
        with user_interface(home, port) as process:
            measured, reports = _launched(platform, home, partition, process)
        reports.wait_for_end()
    return measured


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place).resolve()
        base = build_tiny_llava(folder / "base")
        (video,) = write_sample(folder / "sample", seed=3, videos=1, target_fps=5, workers=1)
        rounds = [measure(folder / f"round-{number}", video, base) for number in range(given.rounds)]
    print(table(rounds))
    if given.json is not None:
        given.json.write_text(json.dumps([vars(one) for one in rounds], indent=1) + "\n")


if __name__ == "__main__":
    main()
