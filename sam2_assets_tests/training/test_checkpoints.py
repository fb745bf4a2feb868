from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.errors import TrainingError
from sam2_assets.training.checkpoints import Checkpoints


def _save(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        with checkpoints.writing(step) as folder:
            (folder / "weights").write_text(str(step))


def test_the_newest_complete_checkpoint_is_found_by_step_not_by_name_or_date(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=9)
    _save(checkpoints, 100, 9, 20)
    newest, passed_over = checkpoints.newest()
    assert newest is not None
    assert (newest.step, passed_over) == (100, [])


def test_half_written_and_damaged_checkpoints_are_passed_over_and_named(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=9)
    _save(checkpoints, 5, 10, 15)
    (tmp_path / "c/checkpoint-15/complete.json").unlink()
    (tmp_path / "c/checkpoint-10/weights").write_text("1")
    (tmp_path / "c/.writing-checkpoint-20").mkdir()
    newest, passed_over = checkpoints.newest()
    assert newest is not None
    assert newest.step == 5
    assert [(d.folder.name, d.why) for d in passed_over] == [
        ("checkpoint-15", "it was not written to its end"),
        ("checkpoint-10", "weights is damaged"),
    ]


def test_without_a_usable_checkpoint_training_starts_afresh(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent", "plan", keep=1).newest() == (None, [])
    _save(Checkpoints(tmp_path / "c", "another plan", keep=1), 5)
    newest, passed_over = Checkpoints(tmp_path / "c", "plan", keep=1).newest()
    assert newest is None
    assert [damaged.why for damaged in passed_over] == ["it belongs to another plan"]


def test_only_the_newest_are_kept_and_dead_drafts_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=2)
    (tmp_path / "c/.writing-checkpoint-3").mkdir(parents=True)
    _save(checkpoints, 5, 10, 15)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["checkpoint-10", "checkpoint-15"]


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=2)
    _save(checkpoints, 5)
    (tmp_path / "c/checkpoint-5/weights").write_text("damaged")
    _save(checkpoints, 5)
    newest, _ = checkpoints.newest()
    assert newest is not None
    assert (newest.folder / "weights").read_text() == "5"


def test_a_checkpoint_that_cannot_be_read_now_stops_the_run_and_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=9)
    _save(checkpoints, 5, 10)
    seal = tmp_path / "c/checkpoint-10/complete.json"
    content = seal.read_bytes()
    seal.unlink()
    seal.symlink_to("/proc/self/mem")  # to read its beginning is an input/output error
    with pytest.raises(TrainingError, match="checkpoint-10: cannot be read now"):
        checkpoints.newest()
    seal.unlink()
    seal.write_bytes(content)
    newest, passed_over = checkpoints.newest()
    assert newest is not None
    assert (newest.step, passed_over) == (10, [])


@pytest.mark.parametrize(
    ("keep", "damaged", "resumed", "left"),
    [(1, (100,), 90, (93,)), (2, (100, 90), 50, (50, 53)), (2, (100,), 90, (90, 93))],
)
def test_damaged_checkpoints_do_not_push_out_the_one_just_written(
    tmp_path: Path, keep: int, damaged: tuple[int, ...], resumed: int, left: tuple[int, ...]
) -> None:
    _save(Checkpoints(tmp_path / "c", "plan", keep=9), 50, 90, 100)
    for step in damaged:
        (tmp_path / f"c/checkpoint-{step}/weights").write_text("damaged")
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=keep)
    newest, _ = checkpoints.newest()
    assert newest is not None
    assert newest.step == resumed
    _save(checkpoints, resumed + 3)
    assert checkpoints.steps() == list(left)
    assert {path.name for path in (tmp_path / "c").iterdir()} == {f"checkpoint-{step}" for step in left}


def test_a_step_that_was_damaged_counts_again_once_it_is_written_again(tmp_path: Path) -> None:
    _save(Checkpoints(tmp_path / "c", "plan", keep=9), 5, 10)
    (tmp_path / "c/checkpoint-10/weights").write_text("damaged")
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=2)
    checkpoints.newest()
    _save(checkpoints, 10, 15)
    assert checkpoints.steps() == [10, 15]


def test_a_draft_that_could_not_be_written_gives_its_space_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=2)
    _save(checkpoints, 5)

    def write() -> None:
        with checkpoints.writing(10) as folder:
            (folder / "weights").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["checkpoint-5"]


def test_the_drafts_of_killed_processes_go_before_the_next_is_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "plan", keep=2)
    (tmp_path / "c/.writing-checkpoint-3").mkdir(parents=True)
    with checkpoints.writing(5) as folder:
        assert [path.name for path in (tmp_path / "c").iterdir()] == [folder.name]
