"""Kill anything at any time: nothing half-made is published, and a resumed adapter is the uninterrupted one's bytes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from sam2_assets.assets.lineage import Materialized, current
from sam2_assets.assets.scope import VIDEO
from sam2_assets.cli.instance import Platform
from sam2_assets.sample import SampleVideo
from sam2_assets_tests.conftest import Home, approve_plan, new_home, submit

# Enough that the training is still under way after six interruptions, on a fast machine too.
STEPS = 600
PATIENCE_S = 180.0
# Dropout draws from the random state at every step, so that a resume which loses that state shows.
SLOW_ENOUGH_TO_INTERRUPT = {
    "max_steps: 6": f"max_steps: {STEPS}",
    "evaluate_every_steps: 3": "evaluate_every_steps: 100",
    "lora: {rank: 4, alpha: 8}": "lora: {rank: 4, alpha: 8, dropout: 0.1}",
    "checkpoints: {every_steps: 2, keep: 2}": "checkpoints: {every_steps: 10, keep: 2}",
}
RUN_WORKER = [sys.executable, "-m", "dagster", "job", "execute", "-m", "sam2_assets.definitions", "-j", "train_video"]


@dataclass(frozen=True)
class Planned:
    """A home with one approved plan, not yet trained."""

    home: Home
    partition: str
    plan_hash: str

    @property
    def checkpoints(self) -> list[int]:
        """Steps of the complete checkpoints, which carry the name only once they are sealed."""
        found = (self.home.store / "work" / self.plan_hash / "checkpoints").glob("checkpoint-*")
        return sorted(int(path.name.split("-")[1]) for path in found)

    def child(self) -> int | None:
        """Process id of the training child that works on this plan."""
        job = str(self.home.store / "work" / self.plan_hash / "job.json").encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if job in (place / "cmdline").read_bytes().split(b"\0"):
                    return int(place.name)
            except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
                continue
        return None

    @property
    def published(self) -> list[Path]:
        """Complete adapters; the drafts that a kill leaves are hidden and do not count."""
        place = self.home.store / "artifacts" / "lora_adapter" / self.partition
        return [path for path in place.glob("*") if not path.name.startswith(".")]

    def command(self) -> list[str]:
        return [sys.executable, "-m", "sam2_assets", "approve", self.partition, "--run"]

    def run_worker(self) -> list[str]:
        return [*RUN_WORKER, "--tags", f'{{"dagster/partition": "{self.partition}"}}']


def plan_in(folder: Path, video: SampleVideo, settings: str) -> Planned:
    home = new_home(folder)
    for short, long in SLOW_ENOUGH_TO_INTERRUPT.items():
        assert short in settings
        settings = settings.replace(short, long)
    home.write_settings(settings)
    with home.platform() as platform:
        partition = submit(platform, video)
        outcome = home.run(platform, "ingest", partition)
        assert outcome.success, outcome.reasons
        return Planned(home, partition, approve_plan(platform, VIDEO, partition).plan_hash)


def train_alone(platform: Platform, partition: str) -> Materialized:
    """``lora_adapter`` and nothing after it, in this process; the training itself is a child as ever."""
    whole = platform.definitions.resolve_implicit_global_asset_job_def()
    job = whole.get_subset(asset_selection={VIDEO.key("lora_adapter")})
    assert job.execute_in_process(instance=platform.instance, partition_key=partition).success
    found = current(platform.instance, VIDEO.key("lora_adapter"), partition)
    assert found is not None
    return found


@contextmanager
def training(planned: Planned, command: list[str], *, beyond: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A real process that executes the plan, caught with a checkpoint later than step ``beyond``; and its child."""
    process = subprocess.Popen(
        command,
        cwd=planned.home.folder,
        env=planned.home.environment(covered=False),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while not (child := planned.child()) or max(planned.checkpoints, default=0) <= beyond:
            assert process.poll() is None, f"ended early: {process.communicate()[0]}"
            assert time.monotonic() < end, "no checkpoint in time"
            time.sleep(0.02)
        yield process, child
    finally:
        for pid in filter(None, (planned.child(), process.pid if process.poll() is None else None)):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until_told(planned: Planned) -> None:
    """Until ``status`` says how far the training is: what the child tells first is how it prepares."""
    told = re.compile(rf"running lora_adapter since \d\d:\d\d, step \d+ of {STEPS}, loss [\d.]+, about \d+ .* left")
    end = time.monotonic() + PATIENCE_S
    while not told.search(shown := planned.home.command("status", planned.partition, check=True).stdout):
        assert planned.child(), shown
        assert time.monotonic() < end, shown


def wait_for_end(planned: Planned, child: int) -> None:
    """The child must go by itself, and without having finished the training."""
    end = time.monotonic() + PATIENCE_S
    while planned.child() == child:
        assert time.monotonic() < end, "the child outlived the process that started it"
        time.sleep(0.05)
    assert planned.published == []
    assert max(planned.checkpoints) < STEPS


def test_training_that_was_killed_and_cancelled_in_every_way_ends_with_the_uninterrupted_adapter(
    tmp_path: Path, sample_videos: list[SampleVideo], tiny_settings: str
) -> None:
    planned = plan_in(tmp_path / "killed", sample_videos[0], tiny_settings)

    # The machine runs out of memory: kill -9 of the training child.
    with training(planned, planned.command(), beyond=0) as (process, child):
        os.kill(child, signal.SIGKILL)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert "killed (signal 9)" in said
        assert "resumes from its checkpoint" in said
    assert planned.published == []
    assert "killed (signal 9)" in " ".join(planned.home.command("status", planned.partition).stdout.split())

    # kill -9 of the step's process, as a run worker starts it: the child must not go on without anyone to publish.
    first = max(planned.checkpoints)
    with training(planned, planned.run_worker(), beyond=first) as (process, child):
        step = parent_of(child)
        assert step != process.pid
        os.kill(step, signal.SIGKILL)
        wait_for_end(planned, child)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode != 0

    # kill -9 of the run worker: the step goes with it, and the child with the step.
    second = max(planned.checkpoints)
    assert second > first
    with training(planned, planned.run_worker(), beyond=second) as (process, child):
        process.kill()
        wait_for_end(planned, child)

    # Cancelled as the UI's launcher does it: the run is marked, its worker gets SIGTERM; the child saves a checkpoint.
    third = max(planned.checkpoints)
    assert third > second
    with (
        training(planned, planned.run_worker(), beyond=third) as (process, child),
        planned.home.platform() as platform,
    ):
        (run,) = platform.instance.get_runs(limit=1)
        platform.instance.report_run_canceling(run)
        process.terminate()
        wait_for_end(planned, child)
        process.communicate(timeout=PATIENCE_S)
        ended = platform.instance.get_run_by_id(run.run_id)
        assert ended is not None
        assert ended.status is dg.DagsterRunStatus.CANCELED

    # Ctrl-C in the terminal where the command trains, after a look at how far it is.
    fourth = max(planned.checkpoints)
    assert fourth > third
    with training(planned, planned.command(), beyond=fourth) as (process, child):
        wait_until_told(planned)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
        wait_for_end(planned, child)
        assert process.returncode == 130, said
        last = said.splitlines()[-1]
        assert last.startswith("sam2-assets: stopped; ")
        assert last.endswith(f"Go on with: sam2-assets approve {planned.partition} --run")
        assert "Traceback" not in said
    assert max(planned.checkpoints) > fourth

    # kill -9 of the command: nobody is left to say how the run ended, so the next command does.
    fifth = max(planned.checkpoints)
    with training(planned, planned.command(), beyond=fifth) as (process, child):
        process.kill()
        wait_for_end(planned, child)
    shown = " ".join(planned.home.command("status", planned.partition, check=True).stdout.split())
    assert re.search(
        r"failed: train_video at [-0-9]+ [:0-9]+ \(run \w+\) the command that executed this run was killed", shown
    )

    with planned.home.platform() as platform:
        resumed = train_alone(platform, planned.partition)
        resumed_files = adapter_files(planned, resumed)
    untouched = plan_in(tmp_path / "untouched", sample_videos[0], tiny_settings)
    assert untouched.plan_hash == planned.plan_hash
    with untouched.home.platform() as platform:
        uninterrupted = train_alone(platform, untouched.partition)
        assert adapter_files(untouched, uninterrupted) == resumed_files
    assert resumed.ref.sha256 == uninterrupted.ref.sha256


def adapter_files(planned: Planned, adapter: Materialized) -> dict[str, bytes]:
    folder = planned.home.store / adapter.ref.path / "adapter"
    files = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    assert files
    return files
