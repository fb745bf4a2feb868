"""What a person can choose about a training run: one typed model, from which the launchpad's form is derived."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sam2_assets.training.families import canonical_name
from sam2_assets.training.presets import with_preset
from sam2_assets.training.targets import expression_of

MOST_SAMPLES = 1024
"""A device takes at once."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoraSettings(_Section):
    """Low-rank adapters on the language model."""

    rank: int = Field(
        16,
        ge=1,
        le=512,
        description="rank of the update matrices, 1 to 512; more learns more and costs memory; "
        "above 512 a layer's update is no longer low-rank",
    )
    alpha: int = Field(
        32,
        ge=1,
        le=1024,
        description="the update is scaled by alpha / rank; 1 to 1024, usual is once or twice the rank",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="dropout before the adapters; 0 to below 1 (nothing would be left), usual are 0 to 0.1",
    )
    targets: str | None = Field(
        None,
        description="layers of the language model to adapt: a regular expression of their whole names (a file may also "
        "list names: [q_proj, v_proj]); empty: the model family's own choice",
    )
    train_projector: bool = Field(True, description="also train the projector between vision and language, in full")

    @field_validator("targets", mode="before")
    @classmethod
    def _listed_by_name(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not value or not all(isinstance(name, str) and name for name in value):
            raise ValueError("list names of layers, e.g. [q_proj, v_proj], or leave it empty")
        return expression_of(value)


class OptimizerSettings(_Section):
    """How the weights move."""

    name: Literal["adamw", "adafactor", "sgd"] = Field(
        "adamw",
        description="adamw: fused kernel, 8 bytes of state a trained weight; adafactor: next to no state; "
        "sgd: with momentum 0.9, 4 bytes, wants a far higher learning rate",
    )
    learning_rate: float = Field(
        2.0e-4,
        gt=0,
        le=1,
        description="of the adapters, above 0 to 1: how far adamw moves a weight in a step, and weights are below 1; "
        "usual are 1.0e-5 to 5.0e-4",
    )
    projector_learning_rate: float | None = Field(None, gt=0, le=1, description="of the projector; empty: the same")
    scheduler: Literal["cosine", "linear", "constant", "inverse_sqrt"] = Field(
        "cosine", description="how the rate falls after the warm-up"
    )
    warmup_ratio: float = Field(
        0.03, ge=0, le=1, description="share of the steps in which the rate rises from 0; 0 to 1, usual are 0 to 0.1"
    )
    weight_decay: float = Field(0.0, ge=0, le=1, description="decoupled weight decay; 0 to 1, usual are 0 to 0.1")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm; above 0, usual is 1")


class CheckpointSettings(_Section):
    """What a crash can cost at most, and which checkpoint is used."""

    every_steps: int = Field(50, ge=1, description="a checkpoint every so many optimiser steps")
    keep: int = Field(2, ge=1, le=100, description="older checkpoints are deleted, except the best one; 1 to 100")
    publish: Literal["last", "best"] = Field(
        "last",
        description="which weights become the adapter: of the last step, or of the best validation; "
        "may be changed after the training without training again",
    )
    publish_step: int | None = Field(
        None, ge=1, description="publish the checkpoint of exactly this step, if it is still kept; empty: as above"
    )

    def published(self) -> str:
        """Which weights become the adapter, as a short name."""
        return self.publish if self.publish_step is None else f"step {self.publish_step}"


class EarlyStoppingSettings(_Section):
    """When to end because nothing gets better."""

    patience: int = Field(
        0, ge=0, le=1000, description="end after so many validations in a row without improvement; 0: never"
    )
    min_delta: float = Field(0.0, ge=0, description="a loss that falls by no more than this is no improvement")


class CardSettings(_Section):
    """The accelerator that the plan is made for. The machine that plans need not have one."""

    name: str = Field("H200", description="shown in the plan")
    memory_gib: float = Field(139.0, gt=0, description="memory of one card, GiB")
    peak_tflops: float = Field(790.0, gt=0, description="dense bf16 matrix throughput, TFLOP/s; 0.1 to 0.2 for a CPU")
    bandwidth_gb_per_s: float = Field(
        4800.0, gt=0, description="of the card's memory, GB/s: it decides how long answers take; 10 to 20 for a CPU"
    )
    price_per_hour: float = Field(0.0, ge=0, description="price of one card for one hour, in your currency")


class BudgetSettings(_Section):
    """What a run may cost, and below what it needs no approval."""

    max_gpu_hours: float = Field(
        24.0, gt=0, description="a plan above this is refused, and a run that would need more stops with a checkpoint"
    )
    max_cost: float | None = Field(
        None, gt=0, description="the same in your currency, at training.card.price_per_hour; empty: no limit"
    )
    max_session_hours: float | None = Field(
        None, gt=0, description="a run ends with a checkpoint after so many hours; run again to go on; empty: no limit"
    )
    auto_approve_gpu_hours: float = Field(0.0, ge=0, description="a plan up to this runs without an approval")


class TrainingConfig(_Section):
    """One training run. Ranges are checked when the run is planned, not when the form is filled in."""

    preset: Literal["custom", "quick_test", "balanced", "low_memory", "production"] = Field(
        "custom", description="starting point (docs/training.md lists what each sets); every field may be set beside it"
    )
    base_model: str = Field(
        "llava-hf/llava-1.5-7b-hf", min_length=1, description="a folder on this machine, or a model id of a hub"
    )
    revision: str | None = Field(None, description="of a hub model: commit, tag or branch; empty: the default branch")
    family: str | None = Field(None, description="model family; empty: read from the model's configuration")
    method: Literal["lora"] = Field("lora", description="LoRA is the only method so far")
    tasks: list[str] = Field(default_factory=list, description="train on these tasks only; empty: all in the dataset")
    max_samples: int | None = Field(None, ge=1, description="train on at most so many samples (seeded choice)")
    max_validation_samples: int | None = Field(
        None, ge=1, description="validate on at most so many samples (seeded choice); empty: the whole split"
    )
    epochs: float = Field(3.0, gt=0, le=1000, description="passes over the training samples, above 0 to 1000")
    max_steps: int | None = Field(None, ge=1, description="optimiser steps; if given, epochs is ignored")
    batch_size: int = Field(4, ge=1, le=MOST_SAMPLES, description="samples a device takes at once, 1 to 1024")
    gradient_accumulation: int = Field(1, ge=1, le=1024, description="batches summed before the weights move")
    group_by_length: bool = Field(
        False, description="batch samples of similar length: less padding, a less random order"
    )
    max_answer_tokens: int = Field(256, ge=1, description="evaluation and serving stop an answer after so many tokens")
    precision: Literal["fp32", "bf16"] = Field("bf16", description="of weights and activations")
    activation_checkpointing: bool = Field(False, description="recompute activations: less memory, about 30 % slower")
    log_every_steps: int = Field(5, ge=1, description="a point in the curves every so many steps")
    evaluate_every_steps: int = Field(50, ge=1, description="validation loss every so many steps")
    validation_answers: int = Field(
        4,
        ge=0,
        le=1000,
        description="validation samples that the model answers at each validation, with text and boxes in "
        "TensorBoard; 0: none",
    )
    validation_metric: Literal["loss", "box_iou"] = Field(
        "loss",
        description="what the best checkpoint and early stopping go by: the validation loss, or the mean box IoU of "
        "the validation_answers",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="of data order, adapters' initial weights and dropout; 0 to 4294967295"
    )
    attempt: int = Field(1, ge=1, description="raise it to train afresh instead of resuming the same plan")
    lora: LoraSettings = LoraSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    early_stopping: EarlyStoppingSettings = EarlyStoppingSettings()
    card: CardSettings = CardSettings()
    budget: BudgetSettings = BudgetSettings()

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @field_validator("base_model")
    @classmethod
    def _in_the_readable_layout(cls, name: str) -> str:
        # The weights under the first authors' name are in a layout of their own code; llava-hf has the same ones.
        known = canonical_name(name)
        if known.startswith("liuhaotian/"):
            raise ValueError(
                "these weights are in the layout of LLaVA's own code; "
                "take llava-hf/llava-1.5-7b-hf or llava-hf/llava-1.5-13b-hf"
            )
        return known

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.budget.max_cost is not None and self.card.price_per_hour == 0:
            raise ValueError("budget.max_cost needs card.price_per_hour: without a price nothing costs anything")
        if self.validation_metric == "box_iou" and self.validation_answers == 0:
            raise ValueError("validation_metric box_iou needs validation_answers: without answers there are no boxes")
        return self

    def deciding_fields(self) -> dict[str, object]:
        """The fields that decide the weights, JSON-ready: without card, budget, logging and serving limits."""
        skipped = {"preset", "card", "budget", "log_every_steps", "checkpoints"}
        if self.validation_metric == "loss":  # the answers are only looked at
            skipped |= {"validation_answers", "validation_metric", "max_answer_tokens"}
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in skipped}

    def published(self) -> str:
        """What is published of the weights that are trained: which of them, and the figures beside them, as a name."""
        figures = f"a point in {self.log_every_steps} steps"
        answers = f"{self.validation_answers} answers of {self.max_answer_tokens} tokens"
        return f"{self.checkpoints.published()}, {figures}, {answers}"
