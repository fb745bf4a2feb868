"""The child as other programs see it: exit codes, streams, and what a kill leaves behind."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return build_data(tmp_path_factory.mktemp("child-data"), tasks=("detect", "main_object"))


def test_killed_and_terminated_training_resumes_to_identical_bytes(
    data: Data, tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tiny_llava, max_steps=60, checkpoints={"every_steps": 5}, evaluate_every_steps=20)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    uninterrupted = build_job(tmp_path / "uninterrupted", data, config)
    run_here(uninterrupted)

    job = build_job(tmp_path / "killed", data, config)
    with started_child(job) as child:
        wait_for_step(child, 12)
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=30) == -signal.SIGKILL
    assert list((job.work / "checkpoints").glob("checkpoint-*"))
    assert not job.out.exists()

    with started_child(job) as child:
        wait_for_step(child, 32)
        child.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert child.wait(timeout=60) == 75
        assert time.monotonic() - asked < 30
        assert child.stderr is not None
        assert child.stderr.read() == ""
    assert not job.out.exists()
    newest = max(int(path.name.split("-")[1]) for path in (job.work / "checkpoints").iterdir())
    assert 32 <= newest < 60

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
