"""Our training loop beside TRL's ``SFTTrainer``, on one configuration: the loss of every step, and the speed.

``python -m benchmarks.trl_head_to_head --base FOLDER`` needs ``trl==1.16.0``, which is no dependency of this project:
install it into an environment of its own. Both sides start from the same adapters, see the same samples in the same
order and make the same steps; a step's time is from the end of one step to the end of the next, so that it holds what
each side does to make a batch. It is processor time, or time by the clock where there is a GPU. TRL runs twice: with
its own collator, and with our batches, so that a difference of the losses can be laid to tokens or to arithmetic.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from sam2_assets.instructions.sample import Sample
from sam2_assets.training.adapters import Adapted, adapt
from sam2_assets.training.collation import Collator, Encoder, decode_picture
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.identity import identify
from sam2_assets.training.loop import LoopTrainer
from sam2_assets.training.progress import Reporter
from sam2_assets.training.session import seed_everything
from sam2_assets.training.stopping import StopRequest


@dataclass
class Side:
    """One trainer's run."""

    name: str
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    prepared_s: float = 0.0

    def samples_per_s(self, batch: int) -> float:
        """By the median step, the first left out."""
        return batch / median(self.seconds[1:])


def _now() -> float:
    # What else runs on the machine counts little in processor time; a GPU's work is not in it.
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


class _Watch(transformers.TrainerCallback):
    """Notes loss and time of each step."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._last = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._last = _now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = _now()
        self._side.seconds.append(now - self._last)
        self._last = now

    def on_log(self, *_: Any, logs: dict[str, Any] | None = None, **__: Any) -> None:
        if logs and "loss" in logs:
            self._side.losses.append(float(logs["loss"]))


def _model(config: TrainingConfig, family: ModelFamily) -> tuple[Adapted, Any]:
    """The adapted model as a training session starts from it, and its processor."""
    seed_everything(config.seed)
    identity = identify(config.base_model, None, family.name)
    processor = family.load_processor(config.base_model, None)
    model = family.load_model(config.base_model, None, dtype=torch.float32)
    transformers.set_seed(config.seed)
    return adapt(model, family, config.lora, identity), processor


def _encoder(family: ModelFamily, processor: Any, model: Any) -> Encoder:
    return Encoder(family, processor, model.config, picture_dtype=torch.float32, memory_bytes=2**33)


def ours(config: TrainingConfig, family: ModelFamily, samples: Sequence[Sample], steps: int, work: Path) -> Side:
    """Our loop, without validation and checkpoints on the way."""
    from sam2_assets.training.checkpoints import Checkpoints

    side = Side("sam2_assets")
    adapted, processor = _model(config, family)
    encoder = _encoder(family, processor, adapted.model)
    started = _now()
    for sample in samples:
        encoder.encode(sample)
    side.prepared_s = _now() - started
    trainer = LoopTrainer(
        adapted,
        projector_modules=family.projector_modules if config.lora.train_projector else (),
        config=config,
        steps=steps,
        train=samples,
        validation=[],
        collator=Collator(encoder),
        checkpoints=Checkpoints(work / "checkpoints", "benchmark", 1),
        stop=StopRequest(),
        work=work / "ours",
        reporter=Reporter(quiet=True),
    )
    trainer.add_callback(_Watch(side))
    trainer.run(None)
    return side


def trls(
    config: TrainingConfig, family: ModelFamily, samples: Sequence[Sample], steps: int, work: Path, *, our_batches: bool
) -> Side:
    """TRL's trainer, with its own collator or with our batches."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    side = Side("TRL, our batches" if our_batches else "TRL")
    adapted, processor = _model(config, family)
    encoder = _encoder(family, processor, adapted.model)
    # TRL adds no token of its own to a text; the tokenizer's first token is part of our prompt.
    tokenizer = processor.tokenizer
    first = tokenizer.bos_token if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else ""
    rows = [
        {
            "index": index,
            "images": [decode_picture(sample)],
            "prompt": first + family.prompt(processor, encoder.question(sample)),
            "completion": encoder.completion(sample),
        }
        for index, sample in enumerate(samples)
    ]
    table = datasets.Dataset.from_list(rows).cast_column("images", datasets.Sequence(datasets.Image()))
    collate = Collator(encoder)

    def from_ours(chosen: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return collate([samples[row["index"]] for row in chosen])

    optimizer = config.optimizer
    arguments = SFTConfig(
        output_dir=str(work / "trl"),
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=optimizer.learning_rate,
        lr_scheduler_type=optimizer.scheduler,
        warmup_steps=int(-(-optimizer.warmup_ratio * steps // 1)),
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.max_grad_norm,
        optim="adamw_torch_fused",
        seed=config.seed,
        data_seed=config.seed,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=False,
        max_length=None,
        completion_only_loss=True,
        remove_unused_columns=False,
    )
    trainer = SFTTrainer(
        model=adapted.model,
        args=arguments,
        train_dataset=table,
        processing_class=processor,
        data_collator=from_ours if our_batches else None,
        callbacks=[_Watch(side)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return side


def report(sides: Sequence[Side], samples_a_step: int) -> str:
    """Markdown."""
    own = sides[0]
    lines = ["| trainer | largest difference of a step's loss | samples/s | ours is | before the first step |"]
    lines.append("|" + " --- |" * 5)
    for side in sides:
        apart = max(abs(a - b) for a, b in zip(own.losses, side.losses, strict=True))
        ratio = own.samples_per_s(samples_a_step) / side.samples_per_s(samples_a_step)
        lines.append(
            f"| {side.name} | {apart:.1e} | {side.samples_per_s(samples_a_step):.2f} | {ratio:.2f} times as fast | "
            f"{side.prepared_s:.2f} s |"
        )
    return "\n".join(lines) + "\n"


def compare(
    config: TrainingConfig, family: ModelFamily, samples: Sequence[Sample], steps: int, rounds: int, work: Path
) -> list[Side]:
    """Each side ``rounds`` times, in turns; losses of the first round, times of all."""
    runs: list[Callable[[], Side]] = [
        lambda: ours(config, family, samples, steps, work),
        lambda: trls(config, family, samples, steps, work, our_batches=False),
        lambda: trls(config, family, samples, steps, work, our_batches=True),
    ]
    sides = [run() for run in runs]
    for _ in range(rounds - 1):
        for side, run in zip(sides, runs, strict=True):
            side.seconds += run().seconds[1:]
    return sides


def main(arguments: list[str] | None = None) -> None:
    from sam2_assets.instructions.reading import load_samples
    from sam2_assets.training.families import family_of
    from sam2_assets_tests.training.workshop import build_data, one_object_shots

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="folder of a base model")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ[name] = "1"
    config = TrainingConfig.model_validate(
        {
            "base_model": str(given.base),
            "precision": "fp32",
            "batch_size": given.batch_size,
            "max_steps": given.steps,
            "optimizer": {"learning_rate": 1e-3},
            "checkpoints": {"every_steps": given.steps},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        data = build_data(Path(folder) / "data", one_object_shots(24), tasks=("detect", "main_object"))
        samples = load_samples(data.splits, data.datasets, "train")
        sides = compare(config, family_of(str(given.base)), samples, given.steps, given.rounds, Path(folder))
    print(report(sides, given.batch_size))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(side) for side in sides], indent=1) + "\n")


if __name__ == "__main__":
    main()
