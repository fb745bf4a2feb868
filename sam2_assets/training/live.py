"""What can be watched while the loop runs: reports to the parent and TensorBoard events in the work folder."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sam2_assets.training.curves import scalars, training_points
from sam2_assets.training.loop import Clock, LoopTrainer
from sam2_assets.training.progress import Reporter


def peak_memory_gib() -> float:
    """Largest memory so far: of the GPU if there is one, else resident memory of this process (Linux: KiB)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1024**3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


class Live(TrainerCallback):
    """Reports every ``every`` steps.

    Args:
        trainer: whose clock to read.
        reporter: where reports go.
        folder: of TensorBoard's events.
        every: steps between points.
        samples_per_step: of one optimiser step.
    """

    def __init__(
        self, trainer: LoopTrainer, reporter: Reporter, folder: Path, *, every: int, samples_per_step: int
    ) -> None:
        self._trainer = trainer
        self._reporter = reporter
        self._folder = folder
        self._every = every
        self._samples_per_step = samples_per_step
        self._writer: SummaryWriter | None = None

    def _rate(self, clock: Clock) -> float | None:
        return clock.steps * self._samples_per_step / clock.seconds if clock.steps and clock.seconds else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the event file; what a killed session wrote after the checkpoint is purged from the curves."""
        purge = state.global_step + 1 if state.global_step else None
        self._writer = SummaryWriter(log_dir=str(self._folder), purge_step=purge)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Pass a point on, if this step is one."""
        if self._writer is None or logs is None:
            return
        step, steps = state.global_step, state.max_steps
        if "eval_loss" in logs:
            self._writer.add_scalar("validation/loss", logs["eval_loss"], step)
            self._writer.flush()
            self._reporter.report("validating", step=step, steps=steps, validation_loss=logs["eval_loss"])
        elif "loss" in logs and (step % self._every == 0 or step >= steps):
            point = training_points(state.log_history, self._every, step)[-1]
            for _, tag, value in scalars([point], []):
                self._writer.add_scalar(tag, value, step)
            self._writer.flush()
            rate = self._rate(self._trainer.clock)
            self._reporter.report(
                "training",
                step=step,
                steps=steps,
                loss=point.loss,
                learning_rate=point.learning_rate,
                grad_norm=point.grad_norm,
                samples_per_s=None if rate is None else round(rate, 3),
                eta_s=None if rate is None else round((steps - step) * self._samples_per_step / rate, 1),
                peak_memory_gib=round(peak_memory_gib(), 3),
            )

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
