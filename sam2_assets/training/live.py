"""What can be watched while the loop runs: reports to the parent and TensorBoard events in the work folder."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sam2_assets.training.accelerator import Utilisation
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.curves import scalars, training_points
from sam2_assets.training.events import of_answers, of_configuration
from sam2_assets.training.loop import Clock, LoopTrainer
from sam2_assets.training.plan import Plan
from sam2_assets.training.progress import Reporter


def peak_memory_gib() -> float:
    """Largest memory so far: of the GPU if there is one, else resident memory of this process (Linux: KiB)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1024**3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


_LONGEST_NAME = 80


def live_folder(work: Path, plan: Plan) -> Path:
    """Where TensorBoard's events of a training lie: the folder's name is what TensorBoard calls the run.

    Args:
        work: of the plan; events that an earlier session left there are gone on with, under the name that they have.
        plan: of the run.
    """
    for events in sorted(work.glob("*/events.out.tfevents.*")):
        return events.parent
    config = plan.config
    parts = [
        plan.base.name.rsplit("/", 1)[-1][:_LONGEST_NAME],
        f"{plan.data.train_samples}-samples",
        f"{plan.estimate.steps}-steps",
        f"rank-{config.lora.rank}",
        f"rate-{config.optimizer.learning_rate:g}",
        f"seed-{config.seed}",
        *([f"attempt-{config.attempt}"] if config.attempt > 1 else []),
    ]
    return work / "_".join(parts)


class Live(TrainerCallback):
    """Reports every ``every`` steps.

    Args:
        trainer: whose clock to read.
        reporter: where reports go.
        folder: of TensorBoard's events.
        config: of the run; names the steps between points.
        samples_per_step: of one optimiser step.
    """

    def __init__(
        self, trainer: LoopTrainer, reporter: Reporter, folder: Path, *, config: TrainingConfig, samples_per_step: int
    ) -> None:
        self._trainer = trainer
        self._reporter = reporter
        self._folder = folder
        self._config = config
        self._every = config.log_every_steps
        self._samples_per_step = samples_per_step
        self._writer: SummaryWriter | None = None
        self._utilisation: Utilisation | None = None

    def _rate(self, clock: Clock) -> float | None:
        return clock.steps * self._samples_per_step / clock.seconds if clock.steps and clock.seconds else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the event file; what a killed session wrote after the checkpoint is purged from the curves."""
        purge = state.global_step + 1 if state.global_step else None
        self._writer = SummaryWriter(log_dir=str(self._folder), purge_step=purge)
        self._utilisation = Utilisation()
        self._add(of_configuration(self._config), 0)

    def _add(self, summaries: Sequence[Any], step: int) -> None:
        if self._writer is not None:
            for summary in summaries:
                self._writer._get_file_writer().add_summary(summary, step)

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
            overlap = logs.get("eval_box_iou")
            self._writer.add_scalar("validation/loss", logs["eval_loss"], step)
            if overlap is not None:
                self._writer.add_scalar("validation/box_iou", overlap, step)
            if self._trainer.shown:
                self._add(of_answers(self._trainer.shown), step)
            self._writer.flush()
            self._reporter.report(
                "validating", step=step, steps=steps, validation_loss=logs["eval_loss"], box_iou=overlap
            )
        elif "loss" in logs and (step % self._every == 0 or step >= steps):
            point = training_points(state.log_history, self._every, step)[-1]
            for _, tag, value in scalars([point], []):
                self._writer.add_scalar(tag, value, step)
            busy = None if self._utilisation is None else self._utilisation.percent
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
                gpu_utilisation_percent=busy,
            )
            speeds: dict[str, float | None] = {"samples_per_s": rate, "gpu_utilisation_percent": busy}
            for name, measured in speeds.items():
                if measured is not None:
                    self._writer.add_scalar(f"speed/{name}", measured, step)
            self._writer.add_scalar("memory/peak_gib", peak_memory_gib(), step)
            self._writer.flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
        if self._utilisation is not None:
            self._utilisation.close()
