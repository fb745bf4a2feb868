"""Ctrl-C in a terminal: one line that says what was kept and how to go on, exit code 130, and no traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sam2_assets.cli import local_run
from sam2_assets.errors import GateError
from sam2_assets.inbox import partition_key
from sam2_assets.sample import SampleVideo
from sam2_assets.workarea import LOCK, lease
from sam2_assets_tests.conftest import Home

pytestmark = pytest.mark.xdist_group("trained")
PATIENCE_S = 300.0


def interrupted(
    *arguments: object,
    at: str,
    cwd: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] = lambda: None,
) -> tuple[str, str]:
    """Stdout and the one line of stderr of a command that gets Ctrl-C, with all its children, once it says ``at``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sam2_assets", *map(str, arguments)],
        cwd=cwd,
        env=environment or dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if at in line:
                break
        before()
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said + rest + errors
    (line,) = errors.splitlines()
    assert line.startswith("sam2-assets: stopped; ")
    return said + rest, line


def test_drawing_the_sample_in_several_processes_ends_at_once(tmp_path: Path) -> None:
    said, line = interrupted("sample", "--out", tmp_path / "s", "--videos", 64, at="1 of 64", cwd=tmp_path)
    assert str(tmp_path / "s") in line
    assert "64 of 64" not in said


def test_an_import_says_that_the_export_stays_and_the_command_it_names_goes_on(
    home: Home, sample_videos: list[SampleVideo], tiny_settings: str
) -> None:
    home.write_settings(tiny_settings)
    video = sample_videos[0]
    _, line = interrupted(
        "submit",
        video.export,
        "--video",
        video.source,
        at="running it here",
        cwd=home.folder,
        environment=home.environment(),
    )
    partition = partition_key(video.export.name)
    following = f"sam2-assets launch ingest {partition}"
    assert line.endswith(f"Go on with: {following}")
    assert f"{partition}" in home.command("status", check=True).stdout
    done = home.command(*following.split()[1:], check=True)
    assert f"next: sam2-assets status {partition}" in done.stdout
    listed = home.command("status", check=True).stdout
    assert "waits for" in listed
    assert listed.endswith(f"next: sam2-assets approve {partition}\n")


def test_a_training_without_dagster_keeps_its_checkpoint(
    tmp_path: Path, sample_videos: list[SampleVideo], tiny_settings: str
) -> None:
    values = yaml.safe_load(tiny_settings)
    values["training"] |= {"max_steps": 5000, "evaluate_every_steps": 5000}
    values["training"]["checkpoints"] = {"every_steps": 5000, "keep": 1}
    video = sample_videos[0]
    values |= {"exports": [{"archive": str(video.export), "video": str(video.source)}], "out": "made"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))

    def another_run_is_refused() -> None:
        with pytest.raises(GateError, match=r"train \(process \d+, or what it started\) is working in this folder"):
            local_run.plan(tmp_path / "run.yaml")
        # The command and its child: whichever of them ends last lets the next run in.
        assert len(_processes_with(tmp_path / "made" / "work" / LOCK)) == 2

    _, line = interrupted("train", "run.yaml", at="training: step ", cwd=tmp_path, before=another_run_is_refused)
    assert "the same command goes on" in line
    (checkpoint,) = (tmp_path / "made" / "work").glob("*/checkpoints/checkpoint-*")
    assert int(checkpoint.name.split("-")[1]) < 5000
    with lease(tmp_path / "made", "work", "the next run"):
        pass


def _processes_with(file: Path) -> set[str]:
    """Those that have a file open."""
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it was closed, or its process has ended
            if descriptor.readlink() == file:
                found.add(descriptor.parts[2])
    return found
