"""A full disk is said in one line by the children, whichever library notices it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from sam2_assets.training.child import run_child

FULL = "/dev/full"


def _plain(weights: torch.Tensor) -> None:
    Path(FULL).write_bytes(weights.numpy().tobytes())


def _torch(weights: torch.Tensor) -> None:
    with Path(FULL).open("wb") as file:
        torch.save({"weights": weights}, file)


def _torch_by_name(weights: torch.Tensor) -> None:
    torch.save({"weights": weights}, FULL)


def _safetensors(_: torch.Tensor) -> None:
    # what it raised on a full tmpfs; it writes beside the file and renames, so the device cannot provoke it
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def _by_a_thread(weights: torch.Tensor) -> None:
    # as TensorBoard's writer, whose failure is raised once more where the next event is added
    thread = threading.Thread(target=_plain, args=(weights,))
    thread.start()
    thread.join()
    _plain(weights)


def _run(tmp_path: Path, work: Callable[[], None]) -> int:
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"work": "/scratch/work", "out": "/store/draft"}), encoding="utf-8")
    return run_child("child", "Writes.", lambda *_: work(), [str(job)])


@pytest.mark.parametrize("write", [_plain, _torch, _torch_by_name, _safetensors, _by_a_thread])
def test_a_full_disk_is_the_users_to_mend_and_names_the_folders(
    write: Callable[[torch.Tensor], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # not pytest's, which prints nothing here
    assert _run(tmp_path, lambda: write(torch.zeros(2**20))) == 2
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    assert "/scratch/work or /store/draft: no room left on its disk" in line
    assert "Free space" in line
    assert json.loads(out.splitlines()[-1])["code"] == "disk_full"


def test_other_trouble_with_files_stays_a_crash(tmp_path: Path) -> None:
    broken = tmp_path / "optimizer.pt"
    broken.write_bytes(b"PK\3\4 broken")
    with pytest.raises(RuntimeError):
        _run(tmp_path, lambda: torch.load(broken))
    with pytest.raises(FileNotFoundError):
        _run(tmp_path, lambda: print((tmp_path / "absent").read_text()))
