"""The child as other programs see it: exit codes, streams, and what a kill leaves behind."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from sam2_assets_tests.training.kill_campaign import configuration, kill_once, prepare
from sam2_assets_tests.training.workshop import (
    Data,
    build_data,
    build_job,
    result_files,
    run_child,
    run_here,
    small_config,
    started_child,
    wait_for_step,
)

STEPS = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("child-data"), tasks=("detect", "main_object"))


def test_a_training_killed_while_it_writes_and_while_it_answers_and_then_terminated_ends_in_identical_bytes(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice of ``make kills``, and the polite end."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = configuration(tiny_llava, STEPS, answers=1)
    data, uninterrupted = prepare(tmp_path, config)
    job = build_job(tmp_path / "killed", data, config)
    draw = random.Random(0)
    for phase, after in (("checkpoint", 2), ("answers", 8)):
        kill_once(job, phase, after, draw)
        assert list((job.work / "checkpoints").iterdir())
        assert not job.out.exists()

    with started_child(job) as child:
        wait_for_step(child, 18)
        child.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert child.wait(timeout=60) == 75
        assert time.monotonic() - asked < 30
        assert child.stderr is not None
        assert child.stderr.read() == ""
    assert not job.out.exists()
    newest = max(int(path.name.split("-")[1]) for path in (job.work / "checkpoints").glob("checkpoint-*"))
    assert 18 <= newest < STEPS

    run_here(job)
    assert result_files(job.out) == result_files(uninterrupted.out)

    again = run_child(job, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_users_mistake_is_exit_code_2_and_one_line(data: Data, tiny_llava: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_llava, base)
    job = build_job(tmp_path / "job", data, small_config(base))
    shutil.rmtree(base)
    done = run_child(job)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no such folder" in line
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "base_model_missing"
    job.plan_file.unlink()
    done = run_child(job, "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
