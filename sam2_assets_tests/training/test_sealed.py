from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_assets.errors import TrainingError
from sam2_assets.training.sealed import SEAL, copy_sealed, damage, sealing


def _write(folder: Path, content: dict[str, bytes]) -> None:
    with sealing(folder, "plan-a") as draft:
        for name, data in content.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(data)


def _die_while_writing(folder: Path) -> None:
    with sealing(folder, "plan-a") as draft:
        (draft / "weights").write_bytes(b"new")
        raise KeyboardInterrupt


def test_a_folder_exists_only_once_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    with sealing(folder, "plan-a") as draft:
        (draft / "weights").write_bytes(b"half")
        assert not folder.exists()
    assert damage(folder, "plan-a") is None


def test_a_writer_that_dies_leaves_the_previous_folder_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    _write(folder, {"weights": b"old"})
    with pytest.raises(KeyboardInterrupt):
        _die_while_writing(folder)
    assert (folder / "weights").read_bytes() == b"old"
    assert damage(folder, "plan-a") is None
    _write(folder, {"weights": b"newer"})
    assert (folder / "weights").read_bytes() == b"newer"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_missing_or_foreign_file_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("sealed") / "checkpoint-1"
    _write(folder, {"a.bin": b"0123456789", "sub/b.bin": b"abcdef"})
    victim = folder / data.draw(st.sampled_from(["a.bin", "sub/b.bin", SEAL]))
    content = victim.read_bytes()
    kind = data.draw(st.sampled_from(["truncate", "flip", "delete", "add"]))
    if kind == "truncate":
        victim.write_bytes(content[: data.draw(st.integers(0, len(content) - 2))])
    elif kind == "flip":
        at = data.draw(st.integers(0, len(content) - 2))
        victim.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
    elif kind == "delete":
        victim.unlink()
    else:
        (folder / "stray").write_bytes(b"x")
    assert damage(folder, "plan-a") is not None


def test_a_folder_of_another_plan_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "result", {"weights": b"x"})
    assert damage(tmp_path / "result", "plan-b") == "it belongs to another plan"


@pytest.mark.parametrize("name", ["weights", SEAL])
def test_what_cannot_be_read_now_is_not_taken_for_damaged(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "checkpoint-1"
    _write(folder, {"weights": b"x"})
    (folder / name).unlink()
    (folder / name).symlink_to("/proc/self/mem")  # to read its beginning is an input/output error
    with pytest.raises(TrainingError, match="cannot be read now \\(Input/output error\\)") as caught:
        damage(folder, "plan-a")
    assert caught.value.code == "unreadable"


def test_a_copy_has_the_files_without_the_seal(tmp_path: Path) -> None:
    _write(tmp_path / "result", {"a": b"1", "sub/b": b"2"})
    copy_sealed(tmp_path / "result", tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"a", "sub/b"}
