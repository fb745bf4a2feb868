"""Steps of TRL's ``SFTTrainer`` on a model and a batch that are given: the row beside ours in the GPU benchmark.

TRL is no dependency of this project. Where it is not installed, the row says so.
"""

from __future__ import annotations

import importlib.util
import tempfile
from typing import Any

import torch
import transformers

from benchmarks.pace import Pace


def why_absent() -> str | None:
    """Why there is nothing to compare with; None if there is."""
    return None if importlib.util.find_spec("trl") else "trl is not installed"


class _Watch(transformers.TrainerCallback):
    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.loss: float | None = None

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._pace.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._pace.step_done()

    def on_log(self, *_: Any, logs: dict[str, Any] | None = None, **__: Any) -> None:
        if logs and "loss" in logs:
            self.loss = float(logs["loss"])


def trl_steps(
    model: Any, inputs: dict[str, torch.Tensor], count: int, *, precision: str, learning_rate: float, pace: Pace
) -> float | None:
    """Make ``count`` steps on the same batch; the loss of the last one.

    Args:
        model: with its adapters, on the device.
        inputs: one batch with ``labels``, on the device.
        count: steps.
        precision: fp32 or bf16.
        learning_rate: of all weights, at every step.
        pace: told of each step.
    """
    import datasets
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from trl import SFTConfig, SFTTrainer

    # It wants a tokenizer, and never asks it: the batch is made already.
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1}, unk_token="<pad>"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")
    size = len(inputs["input_ids"])
    watch = _Watch(pace)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            max_steps=count,
            per_device_train_batch_size=size,
            learning_rate=learning_rate,
            lr_scheduler_type="constant",
            warmup_steps=0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            bf16=precision == "bf16",
            use_cpu=not torch.cuda.is_available(),
            activation_checkpointing=False,
            dataloader_pin_memory=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
        )
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict({"row": list(range(size * count))}),
            processing_class=tokenizer,
            data_collator=lambda _: dict(inputs),
            callbacks=[watch],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return watch.loss
