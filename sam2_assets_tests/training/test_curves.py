from __future__ import annotations

from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sam2_assets.training.curves import draw_loss, training_points, validation_points, write_events

HISTORY = [
    *({"step": n, "loss": float(n), "learning_rate": 0.1 / n, "grad_norm": 1.0 + n} for n in range(1, 6)),
    {"step": 4, "eval_loss": 7.0},
    {"step": 5, "eval_loss": 6.0},
    {"step": 5, "train_runtime": 3.0},
]


def test_a_point_is_the_mean_since_the_previous_one_and_the_last_step_has_one() -> None:
    points = training_points(HISTORY, 2, 5)
    assert [(point.step, point.loss) for point in points] == [(2, 1.5), (4, 3.5), (5, 5.0)]
    assert validation_points(HISTORY) == [(4, 7.0), (5, 6.0)]


def test_events_hold_the_curves_and_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    points, validation = training_points(HISTORY, 2, 5), validation_points(HISTORY)
    write_events(tmp_path / "a", points, validation)
    write_events(tmp_path / "b", points, validation)
    (first,), (second,) = (list((tmp_path / name).iterdir()) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    events = EventAccumulator(str(tmp_path / "a")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(2, 1.5), (4, 3.5), (5, 5.0)]
    assert [(e.step, e.value) for e in events.Scalars("validation/loss")] == [(4, 7.0), (5, 6.0)]


def test_the_drawing_is_a_picture_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    points, validation = training_points(HISTORY, 1, 5), validation_points(HISTORY)
    for name in ("a.png", "b.png"):
        draw_loss(tmp_path / name, points, validation)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (960, 540)
        assert "Software" not in picture.info
