"""What counts as full memory, on a card that is made up: its free and whole memory are given."""

from __future__ import annotations

import pytest
import torch

from sam2_assets.training.memory import is_out_of_memory, of_other_programs

GIB = 1024**3
CUDNN = "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"
"""What was seen on an H100 that another program had filled."""


def _card(monkeypatch: pytest.MonkeyPatch, *, free: float, reserved: float = 0.0) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(free * GIB), 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: int(reserved * GIB))


@pytest.mark.parametrize(
    ("text", "free", "full"),
    [
        (CUDNN, 0.1, True),
        (CUDNN, 20.0, False),  # an error of its own
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", 0.1, True),
        ("CUDA error: out of memory", 20.0, True),
        ("CUDA error: an illegal memory access was encountered", 0.1, False),
        ("The size of tensor a (3) must match the size of tensor b (4)", 0.1, False),
    ],
)
def test_a_library_without_memory_says_so_in_its_own_way(
    text: str, free: float, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _card(monkeypatch, free=free)
    assert is_out_of_memory(RuntimeError(text)) is full


def test_without_a_card_a_library_s_error_is_its_own() -> None:
    assert not is_out_of_memory(RuntimeError(CUDNN))
    assert of_other_programs() == ""


def test_memory_that_others_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _card(monkeypatch, free=0.1, reserved=1.0)
    assert "other programs hold 78.3 GiB of this card" in of_other_programs()
    _card(monkeypatch, free=0.1, reserved=79.0)
    assert of_other_programs() == ""
