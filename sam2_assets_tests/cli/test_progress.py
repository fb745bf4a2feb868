"""What a person who waits reads of a child's reports."""

from __future__ import annotations

import pytest

from sam2_assets.cli.progress import in_full, in_short

TRAINING = {
    "phase": "training",
    "step": 40,
    "steps": 130,
    "loss": 1.2345,
    "learning_rate": 0.0005,
    "grad_norm": 0.5,
    "samples_per_s": 4.3,
    "eta_s": 400.0,
    "peak_memory_gib": 2.5,
}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (TRAINING, "training: step 40 of 130, loss 1.23, about 7 min left, 4.3 samples/s"),
        (
            {"phase": "validating", "step": 65, "steps": 130, "validation_loss": 0.5, "box_iou": None},
            "validating: step 65 of 130, validation loss 0.5",
        ),
        ({"phase": "finished", "plan_hash": "acd5", "already": False}, "finished"),
        ({"phase": "finished", "already": True}, "finished: it was done before, nothing is repeated"),
        (
            {"phase": "validating", "step": 65, "steps": 130, "validation_loss": 0.558, "box_iou": 0.141},
            "validating: step 65 of 130, validation loss 0.558, box iou 0.141",
        ),
        ({"phase": "preparing", "samples_done": 500, "samples": 690}, "preparing: samples 500 of 690"),
        (
            {"phase": "answering", "system": "base", "answered": 3, "of": 77},
            "answering: answered 3 of 77, system base",
        ),
        ({"phase": "loading", "plan_hash": "acd50ea2"}, "loading"),
        ({"phase": "waiting for the GPU"}, "waiting for the GPU"),
        ({"phase": "preflight", "question": "what?\x1b[2J"}, "preflight: question what?\N{REPLACEMENT CHARACTER}[2J"),
    ],
    ids=lambda value: value["phase"] if isinstance(value, dict) else "",
)
def test_a_report_is_one_line_without_the_figures_that_only_curves_show(told: dict[str, object], line: str) -> None:
    assert in_full(told) == line


def test_time_that_passed_since_the_report_is_not_left() -> None:
    assert in_short(TRAINING, 340) == ["step 40 of 130", "loss 1.23", "about 60 s left"]
    assert in_short(TRAINING, 1000)[-1] == "about 0 s left"
    assert in_short({**TRAINING, "eta_s": 9000.0})[-1] == "about 2.5 h left"
