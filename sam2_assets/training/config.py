"""What a person can choose about a training run: one typed model, from which the launchpad's form is derived."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoraSettings(_Section):
    """Low-rank adapters on the language model."""

    rank: int = Field(16, ge=1, le=512, description="rank of the update matrices; more learns more and costs memory")
    alpha: int = Field(32, ge=1, le=1024, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the adapters; 0 to below 1")
    targets: str | None = Field(
        None, description="regular expression of module names to adapt; empty: the model family's own choice"
    )
    train_projector: bool = Field(True, description="also train the projector between vision and language, in full")


class OptimizerSettings(_Section):
    """How the weights move."""

    learning_rate: float = Field(2.0e-4, gt=0, le=1, description="of the adapters; write 2.0e-4, not 2e-4, in YAML")
    projector_learning_rate: float | None = Field(None, gt=0, le=1, description="of the projector; empty: the same")
    scheduler: Literal["cosine", "linear", "constant"] = Field("cosine", description="after the warm-up")
    warmup_ratio: float = Field(0.03, ge=0, le=1, description="share of the steps in which the rate rises from 0")
    weight_decay: float = Field(0.0, ge=0, le=1, description="decoupled weight decay of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")


class CheckpointSettings(_Section):
    """What a crash can cost at most."""

    every_steps: int = Field(50, ge=1, description="a checkpoint every so many optimiser steps")
    keep: int = Field(2, ge=1, le=100, description="older checkpoints are deleted")


class CardSettings(_Section):
    """The accelerator that the plan is made for. The machine that plans need not have one."""

    name: str = Field("H200", description="shown in the plan")
    memory_gib: float = Field(139.0, gt=0, description="memory of one card, GiB")
    peak_tflops: float = Field(790.0, gt=0, description="dense bf16 matrix throughput, TFLOP/s; 0.1 to 0.2 for a CPU")
    price_per_hour: float = Field(0.0, ge=0, description="price of one card for one hour, in your currency")


class BudgetSettings(_Section):
    """What a run may cost, and below what it needs no approval."""

    max_gpu_hours: float = Field(24.0, gt=0, description="a plan above this is refused")
    auto_approve_gpu_hours: float = Field(0.0, ge=0, description="a plan up to this runs without an approval")


class TrainingConfig(_Section):
    """One training run. Ranges are checked when the run is planned, not when the form is filled in."""

    base_model: str = Field(
        "llava-hf/llava-1.5-7b-hf", min_length=1, description="a folder on this machine, or a model id of a hub"
    )
    revision: str | None = Field(None, description="of a hub model: commit, tag or branch; empty: the default branch")
    family: str | None = Field(None, description="model family; empty: read from the model's configuration")
    tasks: list[str] = Field(default_factory=list, description="train on these tasks only; empty: all in the dataset")
    max_samples: int | None = Field(None, ge=1, description="train on at most so many samples (seeded choice)")
    epochs: float = Field(3.0, gt=0, description="passes over the training samples")
    max_steps: int | None = Field(None, ge=1, description="optimiser steps; if given, epochs is ignored")
    batch_size: int = Field(4, ge=1, description="samples a device takes at once")
    gradient_accumulation: int = Field(1, ge=1, description="batches summed before the weights move")
    max_answer_tokens: int = Field(256, ge=1, description="evaluation and serving stop an answer after so many tokens")
    precision: Literal["fp32", "bf16"] = Field("bf16", description="of weights and activations")
    activation_checkpointing: bool = Field(False, description="recompute activations: less memory, about 30 % slower")
    log_every_steps: int = Field(5, ge=1, description="a point in the curves every so many steps")
    evaluate_every_steps: int = Field(50, ge=1, description="validation loss every so many steps")
    seed: int = Field(0, ge=0, description="of data order, adapters' initial weights and dropout")
    attempt: int = Field(1, ge=1, description="raise it to train afresh instead of resuming the same plan")
    lora: LoraSettings = LoraSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    card: CardSettings = CardSettings()
    budget: BudgetSettings = BudgetSettings()

    def deciding_fields(self) -> dict[str, object]:
        """The fields that decide the weights, JSON-ready: without card, budget, logging and serving limits."""
        skipped = {"card", "budget", "log_every_steps", "max_answer_tokens", "checkpoints"}
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in skipped}
