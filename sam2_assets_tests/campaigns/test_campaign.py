"""A slice of the campaign, and proof that it would notice what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam2_assets_tests.campaigns import worker
from sam2_assets_tests.campaigns.__main__ import table
from sam2_assets_tests.campaigns.bases import packed, uploads
from sam2_assets_tests.campaigns.cases import Case, case

SOUND = Case(0, "sound", packed(uploads()[0].members), None)


def test_hostile_uploads_each_end_in_tables_or_a_typed_error() -> None:
    # As `make campaign` does: a case forks, and pytest's process has threads whose locks a fork would copy shut.
    command = [sys.executable, "-m", "sam2_assets_tests.campaigns", "--cases", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Offenders: none" in done.stdout
    assert all(f"`{outcome}`" in done.stdout for outcome in ("read", "bad_json", "corrupt_member"))


def test_offenders_are_told_by_their_seeds() -> None:
    sound = worker.Outcome(7, "sound", worker.READ, None, 2**20, 1.0)
    slow = worker.Outcome(8, "slow", worker.READ, "11.0 s", 2**21, 11.0)
    assert "Offenders: 8." in table([sound, slow])
    assert "11.0 s (seed 8, slow)" in table([sound, slow])


def test_a_case_is_its_seed() -> None:
    assert [case(seed) for seed in range(40)] == [case(seed) for seed in range(40)]


_RUN_SOUND = """
import dataclasses, json, sys
from pathlib import Path
from sam2_assets_tests.campaigns import worker
from sam2_assets_tests.campaigns.test_campaign import SOUND
print(json.dumps(dataclasses.asdict(worker.run(SOUND, Path(sys.argv[1])))))
"""


def test_what_the_exporter_wrote_is_read_undamaged(tmp_path: Path) -> None:
    # In a process of its own: a fork of this one would count the memory of all tests before.
    command = [sys.executable, "-c", _RUN_SOUND, tmp_path / "case"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    outcome = worker.Outcome(**json.loads(done.stdout))
    assert (outcome.outcome, outcome.offence) == (worker.READ, None)
    assert 20 * 1024**2 < outcome.memory < worker.MOST_MEMORY
    assert not (tmp_path / "case").exists()


def _crash(*_: object, **__: object) -> None:
    raise KeyError("a bug")


def _hang(*_: object, **__: object) -> None:
    while True:
        pass


def _eat(*_: object, **__: object) -> None:
    bytearray(2 * 1024**3)[::4096] = b"x" * (2 * 1024**3 // 4096)


def _escape(*_: object, **__: object) -> None:
    Path("../escaped").write_text("x")


def _die(*_: object, **__: object) -> None:
    os.abort()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_crash, "a bug"),
        (_hang, "killed after"),
        (_eat, "MiB"),
        (_escape, "wrote outside"),
        (_die, "exit status"),
    ],
)
def test_a_fault_of_the_importer_is_an_offence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: object, words: str
) -> None:
    monkeypatch.setattr(worker, "read_export", fault)
    monkeypatch.setattr(worker, "assess", lambda *_: None)
    monkeypatch.setattr(worker.Tables, "read", lambda *_: None)
    # on a busy machine two gigabytes are not touched in two seconds
    monkeypatch.setattr(worker, "_KILL_AFTER", 2.0 if fault is _hang else 60.0)
    offence = worker.run(SOUND, tmp_path / "case").offence
    assert offence is not None
    assert words in offence
