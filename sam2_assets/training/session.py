"""One session of training in this process: load, adapt, resume, loop, and write what came out."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from sam2_assets.errors import TrainingError
from sam2_assets.instructions.reading import load_samples
from sam2_assets.instructions.sample import Sample
from sam2_assets.training.adapters import Adapted, adapt, recompute_activations, write_adapter
from sam2_assets.training.checkpoints import Checkpoints
from sam2_assets.training.collation import Collator, Encoder
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.curves import (
    UNSEEN_FILE,
    Point,
    draw_loss,
    training_points,
    validation_points,
    write_events,
)
from sam2_assets.training.estimate import PastRun, total_steps
from sam2_assets.training.events import of_answers, of_configuration
from sam2_assets.training.families import family_by_name
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.live import Live, live_folder, peak_memory_gib
from sam2_assets.training.loop import LoopTrainer, autocast
from sam2_assets.training.memory import is_out_of_memory, out_of_memory
from sam2_assets.training.plan import Plan
from sam2_assets.training.preflight import preflight
from sam2_assets.training.progress import Reporter
from sam2_assets.training.showing import Showing, Shown, box_iou, jpeg, sheet
from sam2_assets.training.stopping import Interrupted, StopRequest

_SHARE_OF_MEMORY_FOR_PICTURES = 4
_SAMPLES_BETWEEN_REPORTS = 500


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and choose deterministic kernels where torch has them.

    Results are the same bytes for the same number of threads: ``OMP_NUM_THREADS``, or all cores.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    torch.use_deterministic_algorithms(True, warn_only=True)
    transformers.set_seed(seed)


def choose(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most ``limit`` of the samples (None: all), chosen by a seeded hash of their ids, in their own order.

    A sample's place in the choice hangs on its id and the seed only, so that adding data replaces as few as possible.
    """
    if limit is None or len(samples) <= limit:
        return list(samples)

    def draw(sample: Sample) -> str:
        return hashlib.sha256(f"{seed}:{sample.sample_id}".encode()).hexdigest()

    chosen = {sample.sample_id for sample in sorted(samples, key=draw)[:limit]}
    return [sample for sample in samples if sample.sample_id in chosen]


def train(plan: Plan, job: TrainingJob, out: Path, reporter: Reporter, stop: StopRequest) -> None:
    """Train to the plan's last step and write adapter, figures and curves into ``out``.

    Raises:
        TrainingError: about base model, samples or the run.
        DatasetError: about splits or datasets.
        Interrupted: the process was asked to end; a checkpoint was written if a step had been made.
    """
    try:
        _train(plan, job, out, reporter, stop)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(error, plan, peak_memory_gib()) from error


def _train(plan: Plan, job: TrainingJob, out: Path, reporter: Reporter, stop: StopRequest) -> None:
    started = time.perf_counter()
    config, family = plan.config, family_by_name(plan.base.family)
    seed_everything(config.seed)
    reporter.report("loading", plan_hash=plan.plan_hash)
    train_samples, validation = _samples(job, config)
    adapted, encoder = _load(plan, family)
    lengths = _prepare(encoder, [*train_samples, *validation], reporter)
    checkpoints = Checkpoints(job.work / "checkpoints", plan.plan_hash, config.checkpoints.keep)
    resume, passed_over = checkpoints.newest()
    for damaged in passed_over:
        reporter.report("resuming", passed_over=damaged.folder.name, why=damaged.why)
    reporter.report("resuming" if resume else "starting", step=resume.step if resume else 0)
    trainer = LoopTrainer(
        adapted,
        projector_modules=family.projector_modules if config.lora.train_projector else (),
        config=config,
        steps=total_steps(len(train_samples), config),
        train=train_samples,
        validation=validation,
        collator=Collator(encoder),
        checkpoints=checkpoints,
        stop=stop,
        work=job.work / "trainer",
        reporter=reporter,
        lengths=lengths[: len(train_samples)],
        showing=_showing(encoder, validation, config),
    )
    per_step = min(config.batch_size * config.gradient_accumulation, len(train_samples))
    live = Live(trainer, reporter, live_folder(job.work, plan), config=config, samples_per_step=per_step)
    trainer.add_callback(live)
    try:
        arithmetic = autocast(config.precision, trainer.args.device)
        found = preflight(adapted, encoder, train_samples, config, trainer.args.device, arithmetic)
        reporter.report("preflight", **found)
        prepared = time.perf_counter() - started
        stop.immediate = False
        complete = trainer.run(resume)
    finally:
        stop.immediate = True
    if not complete:
        reporter.report("interrupted", step=trainer.state.global_step, steps=trainer.state.max_steps)
        raise Interrupted
    published = _use_chosen_weights(trainer, checkpoints, config)
    reporter.report("publishing", step=published)
    write_adapter(trainer.model, encoder.processor, out / "adapter")
    shown = trainer.answers()
    facts = {
        "preflight": found,
        "published_step": published,
        "ended_early": trainer.ended_early,
        "validation_answers": [
            {"sample": one.sample.sample_id, "asked": one.question, "true": one.true_text, "answered": one.answer.text}
            for one in shown
        ],
        "validation_box_iou": box_iou(shown),
    }
    _write_figures(out, plan, adapted, trainer, len(train_samples), len(validation), per_step, prepared, facts, shown)


def _showing(encoder: Encoder, validation: Sequence[Sample], config: TrainingConfig) -> Showing | None:
    """Who asks the model during training; None if nothing is to be asked.

    Raises:
        TrainingError: ``metric_not_measurable``.
    """
    samples = choose(validation, config.validation_answers, config.seed)
    if samples:
        made = Showing(encoder, samples, max_tokens=config.max_answer_tokens, batch_size=config.batch_size)
        if made.names_boxes or config.validation_metric == "loss":
            return made
    if config.validation_metric == "loss":
        return None
    raise TrainingError(
        "metric_not_measurable",
        f"none of the {len(samples)} validation samples that are answered names a box",
        field="validation_metric",
        value=config.validation_metric,
        remedy="Set it to loss, raise validation_answers, or train on a task whose answers have boxes.",
    )


def _use_chosen_weights(trainer: LoopTrainer, checkpoints: Checkpoints, config: TrainingConfig) -> int:
    """Bring in the weights that ``checkpoints.publish`` or ``publish_step`` names; returns their step."""
    last = int(trainer.state.global_step)
    best = trainer.best_step
    chosen = config.checkpoints.publish_step
    if chosen is None:
        chosen = best if config.checkpoints.publish == "best" and best is not None else last
    if chosen != last:
        checkpoint = checkpoints.at(chosen)
        if checkpoint is None:
            raise TrainingError(
                "checkpoint_not_kept",
                f"there is no usable checkpoint of step {chosen}",
                field="checkpoints.publish_step",
                value=config.checkpoints.publish_step,
                remedy=f"There are those of the steps {', '.join(map(str, checkpoints.steps()))}; "
                "raise checkpoints.keep for more.",
            )
        trainer.use_weights(checkpoint)
    return chosen


def _samples(job: TrainingJob, config: TrainingConfig) -> tuple[list[Sample], list[Sample]]:
    tasks = list(config.tasks) or None
    train = choose(load_samples(job.splits, job.datasets, "train", tasks=tasks), config.max_samples, config.seed)
    if not train:
        raise TrainingError(
            "no_training_samples",
            "the train split is empty",
            file=str(job.splits),
            remedy="Annotate a longer video: too little was left for training after the guard gaps.",
        )
    validation = load_samples(job.splits, job.datasets, "val", tasks=tasks)
    return train, choose(validation, config.max_validation_samples, config.seed)


def _load(plan: Plan, family: ModelFamily) -> tuple[Adapted, Encoder]:
    config = plan.config
    revision = plan.base.commit or config.revision
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    processor = family.load_processor(config.base_model, revision)
    model = family.load_model(config.base_model, revision, dtype=dtype)
    # As in serving: the model's own file may ask for sampling or a repetition penalty.
    model.generation_config = transformers.GenerationConfig()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARE_OF_MEMORY_FOR_PICTURES
    encoder = Encoder(family, processor, model.config, picture_dtype=dtype, memory_bytes=memory)
    # Loading draws random numbers in some versions; adapters must start from the seed alone.
    transformers.set_seed(config.seed)
    adapted = adapt(model, family, config.lora, plan.base)
    if config.activation_checkpointing:
        recompute_activations(adapted.model)
    return adapted, encoder


def _prepare(encoder: Encoder, samples: Sequence[Sample], reporter: Reporter) -> list[int]:
    """Encode every sample once, before the first step: what is wrong with one is said now, by its name.

    Returns:
        Tokens of each sample.
    """
    lengths: list[int] = []
    for done, sample in enumerate(samples):
        lengths.append(len(encoder.encode(sample).labels))
        if done % _SAMPLES_BETWEEN_REPORTS == 0:
            reporter.report("preparing", samples_done=done, samples=len(samples))
    return lengths


def _write_figures(
    out: Path,
    plan: Plan,
    adapted: Adapted,
    trainer: LoopTrainer,
    train_samples: int,
    val_samples: int,
    per_step: int,
    prepared: float,
    facts: dict[str, Any],
    shown: Sequence[Shown],
) -> None:
    config, state = plan.config, trainer.state
    points = training_points(state.log_history, config.log_every_steps, state.global_step)
    validation = validation_points(state.log_history)
    overlaps = validation_points(state.log_history, "box_iou")
    extra = [(0, summary) for summary in of_configuration(config)]
    if shown:
        (out / "answers.jpg").write_bytes(jpeg(sheet(shown)))
        extra += [(facts["published_step"], summary) for summary in of_answers(shown)]
    write_events(out / "logs", points, validation, overlaps, extra, name=UNSEEN_FILE)
    draw_loss(out / "loss.png", points, validation)
    figures = _figures(plan, adapted, state, points, validation, dict(overlaps), train_samples, val_samples)
    _write_json(out / "training.json", figures | facts)
    clock = trainer.clock
    rate = clock.steps * per_step / clock.seconds if clock.steps and clock.seconds else None
    past = None
    if rate is not None:
        past = PastRun(
            base_fingerprint=plan.base.fingerprint,
            card=config.card.name,
            precision=config.precision,
            batch_size=config.batch_size,
            activation_checkpointing=config.activation_checkpointing,
            samples_per_s=rate,
            seconds_an_answer=clock.answering / clock.answers if clock.answers else None,
        ).model_dump()
    # What differs from run to run lies apart, so that training.json is the same bytes for the same plan.
    timings = {
        "sessions": clock.sessions,
        "measured_steps": clock.steps,
        "measured_seconds": clock.seconds,
        "samples_per_s": rate,
        "answers": clock.answers,
        "answering_seconds": clock.answering,
        "preparation_seconds": prepared,
        "peak_memory_gib": peak_memory_gib(),
        "past_run": past,
    }
    _write_json(out / "timings.json", timings)


def _figures(
    plan: Plan,
    adapted: Adapted,
    state: Any,
    points: Sequence[Point],
    validation: Sequence[tuple[int, float]],
    overlaps: dict[int, float],
    train_samples: int,
    val_samples: int,
) -> dict[str, Any]:
    return {
        "plan_hash": plan.plan_hash,
        "base_model": plan.base.model_dump(),
        "steps": state.global_step,
        "epochs": state.epoch,
        "seed": plan.config.seed,
        "precision": plan.config.precision,
        "samples": {"train": train_samples, "val": val_samples},
        "parameters": {
            "trainable": adapted.trainable_parameters,
            "total": adapted.total_parameters,
            "adapted_modules": len(adapted.adapted_modules),
        },
        "loss": {
            "train_first": points[0].loss,
            "train_last": points[-1].loss,
            "validation_last": validation[-1][1] if validation else None,
            "validation_best": min(loss for _, loss in validation) if validation else None,
        },
        "curve": {
            "train": [
                {"step": p.step, "loss": p.loss, "learning_rate": p.learning_rate, "grad_norm": p.grad_norm}
                for p in points
            ],
            "validation": [{"step": step, "loss": loss, "box_iou": overlaps.get(step)} for step, loss in validation],
        },
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        },
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
