"""The training loop: Hugging Face's Trainer with our loss, optimiser groups, validation, checkpoints and manners.

Every step is logged into the Trainer's history, which checkpoints carry, so that curves and figures of a resumed run
are those of an uninterrupted one. When to validate, save and stop is decided in one place, :class:`Rhythm`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sam2_assets.errors import TrainingError
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.adapters import (
    Adapted,
    parameter_groups,
    parameters_without_gradient,
    read_weights,
    write_weights,
)
from sam2_assets.training.checkpoints import Checkpoint, Checkpoints
from sam2_assets.training.collation import Collator, SampleList
from sam2_assets.training.config import OptimizerSettings, TrainingConfig
from sam2_assets.training.convergence import best_validation, divergence, judged, out_of_patience
from sam2_assets.training.limits import STEPS_BEFORE_BUDGET_IS_JUDGED, Limits
from sam2_assets.training.loss import answer_loss, supervised_tokens
from sam2_assets.training.ordering import ByLength
from sam2_assets.training.progress import Reporter
from sam2_assets.training.showing import Showing, Shown, box_iou
from sam2_assets.training.stopping import Interrupted, StopRequest

_CLOCK_FILE = "clock.json"
_STATE_FILE = "trainer_state.json"
_SCHEDULES = {
    "cosine": "cosine",
    "linear": "linear",
    "constant": "constant_with_warmup",
    "inverse_sqrt": "inverse_sqrt",
}
_SGD_MOMENTUM = 0.9


@dataclass
class Clock:
    """What the steps took so far; the first step of each session is left out, as it warms caches up.

    ``elapsed`` is everything: first steps, validation and checkpoints too. ``answers`` are those that the model gave to
    validation samples, in ``answering`` seconds.
    """

    sessions: int = 0
    steps: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    answers: int = 0
    answering: float = 0.0

    def write(self, folder: Path) -> None:
        """Write it into a checkpoint."""
        (folder / _CLOCK_FILE).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Clock:
        """Read it from a checkpoint."""
        return cls(**json.loads((folder / _CLOCK_FILE).read_text(encoding="utf-8")))


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """bf16 arithmetic over fp32 trainable weights, or plain fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


class _ValidationStoppedError(Exception):
    """Control flow: the process was asked to end while it validated."""


class _NothingLeftError(Exception):
    """Control flow: a validation that was made up for is the one after which the run ends."""


def _optimizer(groups: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    if settings.name == "adafactor":
        return torch.optim.Adafactor(groups, lr=settings.learning_rate)
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=_SGD_MOMENTUM)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


class LoopTrainer(Trainer):
    """Trainer for one plan.

    Args:
        adapted: the PEFT model.
        projector_modules: names of the modules that learn at the projector's rate.
        config: what the person chose.
        steps: optimiser steps of the whole run.
        train: training samples, in the order that the seeded shuffle starts from.
        validation: validation samples; may be empty.
        collator: makes batches.
        checkpoints: where to save.
        stop: whether the process was asked to end.
        work: folder for the Trainer's own use.
        reporter: hears what the first steps say about the estimate.
        lengths: tokens of each training sample; only ``group_by_length`` looks at them.
        showing: asks the model at each validation, if anything is to be shown.
    """

    # The library leaves both without a type.
    control: TrainerControl
    optimizer: Any

    def __init__(
        self,
        adapted: Adapted,
        *,
        projector_modules: Sequence[str],
        config: TrainingConfig,
        steps: int,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        collator: Collator,
        checkpoints: Checkpoints,
        stop: StopRequest,
        work: Path,
        reporter: Reporter,
        lengths: Sequence[int] = (),
        showing: Showing | None = None,
    ) -> None:
        self._config = config
        self._reporter = reporter
        self._lengths = lengths
        self._showing = showing
        self.shown: list[Shown] = []
        self._limit: TrainingError | None = None
        self._limits = Limits(config, steps)
        self._earlier_s = 0.0
        self._projector_modules = tuple(projector_modules)
        self._validation = validation
        self._checkpoints = checkpoints
        self._stop = stop
        self.clock = Clock()
        on_gpu = torch.cuda.is_available()
        arguments = TrainingArguments(
            output_dir=str(work),
            max_steps=steps,
            per_device_train_batch_size=config.batch_size,
            gradient_accumulation_steps=config.gradient_accumulation,
            learning_rate=config.optimizer.learning_rate,
            lr_scheduler_type=_SCHEDULES[config.optimizer.scheduler],
            # Always a whole number of steps: the Trainer reads a float below 1 as a share.
            warmup_steps=math.ceil(config.optimizer.warmup_ratio * steps),
            max_grad_norm=config.optimizer.max_grad_norm,
            seed=config.seed,
            data_seed=config.seed,
            logging_strategy="steps",
            logging_steps=1,
            # A loss that is not a number must stop the run, not be averaged away.
            logging_nan_inf_filter=False,
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=on_gpu,
            use_cpu=not on_gpu,
        )
        super().__init__(model=adapted.model, args=arguments, train_dataset=SampleList(train), data_collator=collator)
        self.remove_callback(PrinterCallback)
        # `answer_loss` divides by the supervised tokens of all accumulated batches itself.
        self.model_accepts_loss_kwargs = True
        self.loss_is_scaled_for_ga = True

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on."""
        return len(self._validation) > 0

    @property
    def ended_early(self) -> bool:
        """Whether validation has stopped getting better for as long as the configuration waits."""
        settings = self._config.early_stopping
        points = judged(self.state.log_history, self._config.validation_metric)
        return out_of_patience(points, settings.patience, settings.min_delta)

    @property
    def best_step(self) -> int | None:
        """The step of the best validation so far, by the chosen metric."""
        best = best_validation(judged(self.state.log_history, self._config.validation_metric))
        return best[0] if best else None

    def answers(self, after_batch: Callable[[], None] = lambda: None) -> list[Shown]:
        """What the model answers now to the validation samples that are shown.

        Args:
            after_batch: called after every batch; may raise.
        """
        if self._showing is None:
            return []
        self._reporter.report(
            "answering", step=self.state.global_step, steps=self.state.max_steps, questions=len(self._showing)
        )
        started = time.perf_counter()
        model: Any = self.model
        model.eval()
        with autocast(self._config.precision, self.args.device):
            shown = self._showing.ask(model, after_batch)
        self.clock.answers += len(shown)
        self.clock.answering += time.perf_counter() - started
        return shown

    def _stop_between_batches(self) -> None:
        if self._stop.requested:
            raise _ValidationStoppedError

    def run(self, resume: Checkpoint | None) -> bool:
        """Train to the last step or to where patience ends, or until the process is asked to end.

        Returns:
            Whether the run is complete; if not, a checkpoint of the step reached was written.

        Raises:
            TrainingError: ``loss_not_finite``, ``loss_diverged``, ``no_gradient``, ``over_budget``,
                ``session_limit``, or about a sample.
        """
        if resume is not None:
            self.state = TrainerState.load_from_json(str(resume.folder / _STATE_FILE))
            # In the middle of an epoch the Trainer would make one step more before it looks how many were asked for.
            if self.ended_early or (self._at_last_step and not self.validation_missing):
                self._load_from_checkpoint(str(resume.folder))
                return True
        # After those who listen: it may validate before the first step, which they must hear.
        self.add_callback(Rhythm(self))
        try:
            self.train(resume_from_checkpoint=str(resume.folder) if resume else None)
        except _NothingLeftError:
            self._save_checkpoint(self.model, None)
        if self._limit is not None:
            raise self._limit
        return (self._at_last_step and not self.validation_missing) or self.ended_early

    @property
    def _at_last_step(self) -> bool:
        return int(self.state.global_step) >= int(self.state.max_steps)

    @property
    def validation_due(self) -> bool:
        """Whether the step just made is one after which the model is validated."""
        step, every = self.state.global_step, self._config.evaluate_every_steps
        return self.validates and step > 0 and (step % every == 0 or self._at_last_step)

    @property
    def validation_missing(self) -> bool:
        """Whether the validation of this step is due, and was cut short."""
        step = self.state.global_step
        return self.validation_due and not any(
            "eval_loss" in entry and entry["step"] == step for entry in self.state.log_history
        )

    def use_weights(self, checkpoint: Checkpoint) -> None:
        """Put a checkpoint's weights in place of those of the last step."""
        read_weights(self.model, checkpoint.folder)

    # What the Trainer calls

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The trimmed cross-entropy (see ``loss.answer_loss``)."""
        tokens = supervised_tokens(inputs["labels"]) if num_items_in_batch is None else num_items_in_batch
        with autocast(self._config.precision, self.args.device):
            loss = answer_loss(model, inputs, tokens)
        if not torch.isfinite(loss):
            raise self._not_finite("loss", loss.item())
        return (loss, {}) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The chosen optimiser, with adapters and projector at their own rates."""
        if self.optimizer is None:
            settings = self._config.optimizer
            groups = parameter_groups(
                self.model,
                self._projector_modules,
                adapters_rate=settings.learning_rate,
                projector_rate=settings.projector_learning_rate or settings.learning_rate,
                weight_decay=settings.weight_decay,
            )
            self.optimizer = _optimizer(groups, settings)
        created: torch.optim.Optimizer = self.optimizer
        return created

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        if self._config.group_by_length:
            return ByLength(self._lengths, self._config.batch_size, self._config.seed)
        trainer: Any = super()
        sampler: Sampler[int] | None = trainer._get_train_sampler(train_dataset)
        return sampler

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean cross-entropy per answer token over the validation samples, and mean box IoU of those that are shown.

        Draws no random number.
        """
        model: Any = self.model
        collate: Any = self.data_collator
        device = self.args.device
        model.eval()
        size = self._config.batch_size
        total, tokens = 0.0, 0
        for start in range(0, len(self._validation), size):
            self._stop_between_batches()
            batch = collate(self._validation[start : start + size])
            on_device = {name: value.to(device) for name, value in batch.items()}
            with torch.no_grad(), autocast(self._config.precision, device):
                total += answer_loss(model, on_device, 1).item()
            tokens += supervised_tokens(batch["labels"])
        metrics = {f"{metric_key_prefix}_loss": total / tokens}
        if not math.isfinite(metrics[f"{metric_key_prefix}_loss"]):
            raise self._not_finite("validation loss", total)
        self.shown = self.answers(self._stop_between_batches)
        overlap = box_iou(self.shown)
        if overlap is not None:
            metrics[f"{metric_key_prefix}_box_iou"] = overlap
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _evaluate(self, trial: Any, ignore_keys_for_eval: Any, skip_scheduler: bool = False) -> dict[str, float]:
        try:
            return self.evaluate()
        except _ValidationStoppedError:
            # The step itself is done: save it. The resumed run validates it first (Rhythm.on_train_begin).
            self.control.should_evaluate = False
            self.control.should_save = True
            self.control.should_training_stop = True
            return {}

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        trainer: Any = super()
        norm = trainer._get_grad_norm(model, grad_norm=grad_norm)
        if not math.isfinite(float(norm)):
            raise self._not_finite("gradient norm", float(norm))
        return norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.clock.elapsed = self._earlier_s + self._limits.session_seconds()
        with self._checkpoints.writing(self.state.global_step, best=self.best_step) as draft:
            write_weights(self.model, draft)
            self._save_optimizer_and_scheduler(str(draft))
            self._save_rng_state(str(draft))
            self.state.save_to_json(str(draft / _STATE_FILE))
            self.clock.write(draft)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        read_weights(self.model, Path(resume_from_checkpoint))
        self.clock = Clock.read(Path(resume_from_checkpoint))
        self._earlier_s = self.clock.elapsed

    def _not_finite(self, what: str, value: float) -> TrainingError:
        return TrainingError(
            "loss_not_finite",
            f"the {what} of step {self.state.global_step + 1} is not a number",
            field="optimizer.learning_rate",
            value=self._config.optimizer.learning_rate,
            remedy=f"Lower the learning rate (the {what} is {value}), or raise optimizer.warmup_ratio.",
        )


class Rhythm(TrainerCallback):
    """When to validate, save and stop; what must hold at the first step; what the steps take."""

    def __init__(self, trainer: LoopTrainer) -> None:
        self._trainer = trainer
        self._started = 0.0
        self._durations: list[float] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make up for a validation that the end of the previous session cut short."""
        self._trainer.clock.sessions += 1
        if self._trainer.validation_missing:
            try:
                self._trainer.evaluate()
            except _ValidationStoppedError:
                # Nothing is lost: the checkpoint that this session started from stands.
                raise Interrupted from None
            if self._trainer.ended_early or state.global_step >= state.max_steps:
                raise _NothingLeftError

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the step's clock."""
        self._started = time.perf_counter()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """At the first step of a session every trainable weight must have a gradient."""
        if self._durations:
            return
        missing = parameters_without_gradient(self._trainer.model)
        if missing:
            raise TrainingError(
                "no_gradient",
                f"{len(missing)} trainable weights got no gradient",
                field=missing[0],
                remedy="Set lora.targets to layers that the answer's tokens pass through, or leave it empty.",
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Decide what follows the step."""
        self._durations.append(time.perf_counter() - self._started)
        if len(self._durations) > 1:
            self._trainer.clock.steps += 1
            self._trainer.clock.seconds += self._durations[-1]
        trainer = self._trainer
        if len(self._durations) == STEPS_BEFORE_BUDGET_IS_JUDGED:
            self._judge_budget(state)
        trainer._limit = trainer._limits.reached(trainer._earlier_s)
        stopping = trainer._stop.requested or trainer._limit is not None
        last = state.global_step >= state.max_steps
        if last:  # nothing is left to be stopped
            trainer._limit = None
        every = trainer._config.checkpoints.every_steps
        control.should_evaluate = trainer.validation_due
        control.should_save = last or stopping or state.global_step % every == 0
        control.should_training_stop = last or stopping
        return control

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End a run whose loss climbs instead of falling."""
        found = divergence(state.log_history)
        if found is not None:
            fell = f", fell to {found.lowest:.3g}" if found.lowest < found.first else ""
            raise TrainingError(
                "loss_diverged",
                f"the training has diverged: its loss was {found.first:.3g} at first{fell} and is {found.last:.3g} at "
                f"step {state.global_step}",
                field="optimizer.learning_rate",
                value=self._trainer._config.optimizer.learning_rate,
                remedy="Lower it by a factor of 3 to 10, or raise optimizer.warmup_ratio.",
            )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Keep the weights of the best validation, and end when patience is lost."""
        if self._trainer.best_step == state.global_step:
            control.should_save = True
        if self._trainer.ended_early:
            control.should_save = control.should_training_stop = True
        return control

    def _judge_budget(self, state: TrainerState) -> None:
        trainer = self._trainer
        projection = trainer._limits.project(self._durations, state.global_step, trainer._earlier_s)
        trainer._reporter.report(
            "measured",
            step=state.global_step,
            steps=state.max_steps,
            seconds_a_step=round(projection.seconds_a_step, 4),
            gpu_hours=round(projection.hours, 4),
            cost=round(projection.cost, 2),
        )
        trainer._limits.judge(projection)
