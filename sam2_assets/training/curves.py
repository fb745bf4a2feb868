"""The training curves: points from the loop's history, as TensorBoard events and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS_FILE = "events.out.tfevents.training"
UNSEEN_FILE = "curves.records"
"""The same file in the work folder: TensorBoard shows the live curves there, and takes this for no second run."""
_FEW_POINTS = 30

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Point:
    """A point of the training curve: ``loss`` is the mean over the steps since the previous point."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float


def training_points(history: History, every: int, last_step: int) -> list[Point]:
    """Points at each multiple of ``every`` and at the last step, from a history with one entry a step."""
    by_step = {int(entry["step"]): entry for entry in history if "loss" in entry}
    points: list[Point] = []
    previous = 0
    for step in sorted({*range(every, last_step + 1, every), last_step} & set(by_step)):
        losses = [float(by_step[at]["loss"]) for at in range(previous + 1, step + 1) if at in by_step]
        entry = by_step[step]
        points.append(Point(step, sum(losses) / len(losses), float(entry["learning_rate"]), float(entry["grad_norm"])))
        previous = step
    return points


def validation_points(history: History, metric: str = "loss") -> list[tuple[int, float]]:
    """``(step, value)`` of each validation, the first measured one of a step; ``metric`` is loss or box_iou."""
    found: dict[int, float] = {}
    for entry in history:
        if f"eval_{metric}" in entry:
            found.setdefault(int(entry["step"]), float(entry[f"eval_{metric}"]))
    return sorted(found.items())


def scalars(
    points: Sequence[Point], validation: Sequence[tuple[int, float]], overlaps: Sequence[tuple[int, float]] = ()
) -> list[tuple[int, str, float]]:
    """``(step, tag, value)`` as TensorBoard shows them, by step."""
    rows = [
        (point.step, tag, value)
        for point in points
        for tag, value in (
            ("train/loss", point.loss),
            ("train/learning_rate", point.learning_rate),
            ("train/grad_norm", point.grad_norm),
        )
    ]
    rows += [(step, "validation/loss", loss) for step, loss in validation]
    rows += [(step, "validation/box_iou", overlap) for step, overlap in overlaps]
    return sorted(rows, key=lambda row: row[:2])


def write_events(
    folder: Path,
    points: Sequence[Point],
    validation: Sequence[tuple[int, float]],
    overlaps: Sequence[tuple[int, float]] = (),
    shown: Sequence[tuple[int, Any]] = (),
    *,
    name: str = EVENTS_FILE,
) -> None:
    """Write the curves as one TensorBoard file with the same bytes for the same curves.

    Published files carry no clock times: an event's wall time is its step. The live events in the work folder have
    the real ones.

    Args:
        folder: to write into.
        points: of the training curve.
        validation: ``(step, loss)``.
        overlaps: ``(step, mean box IoU)``.
        shown: ``(step, summary)`` of what is no curve (see ``events``).
        name: of the file; TensorBoard reads those that have ``tfevents`` in it.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("wb") as stream:
        records = RecordWriter(stream)
        records.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for step, tag, value in scalars(points, validation, overlaps):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            records.write(Event(wall_time=float(step), step=step, summary=summary).SerializeToString())
        for step, summary in shown:
            records.write(Event(wall_time=float(step), step=step, summary=summary).SerializeToString())
        records.flush()


def draw_loss(file: Path, points: Sequence[Point], validation: Sequence[tuple[int, float]]) -> None:
    """Draw training and validation loss over steps as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # A line through one point is nothing to see.
    marked = "o-" if len(points) <= _FEW_POINTS else "-"
    axes.plot([point.step for point in points], [point.loss for point in points], marked, label="training")
    if validation:
        axes.plot([step for step, _ in validation], [loss for _, loss in validation], "o-", label="validation")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("cross-entropy per answer token")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    # matplotlib's version would otherwise be written into the picture.
    figure.savefig(file, metadata={"Software": None})
