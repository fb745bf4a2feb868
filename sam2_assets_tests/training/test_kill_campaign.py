"""A slice of ``make kills``: one training killed while it writes a checkpoint and while it validates."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sam2_assets_tests.training.kill_campaign import configuration, killed_job, prepare
from sam2_assets_tests.training.workshop import build_job, result_files

STEPS = 20


def test_a_training_killed_in_a_checkpoint_and_in_validation_ends_in_identical_bytes(
    tiny_llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data, uninterrupted = prepare(tmp_path, tiny_llava, STEPS)
    job = build_job(tmp_path / "killed", data, configuration(tiny_llava, STEPS))
    kills = killed_job(job, ["checkpoint", "evaluation"], random.Random(0))
    assert [kill.aimed for kill in kills] == ["checkpoint", "evaluation"]
    assert result_files(job.out) == result_files(uninterrupted.out)
