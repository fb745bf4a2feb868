"""What a training run will need: steps, GPU memory, seconds. Arithmetic on sizes; nothing is loaded.

Every formula states its source; ``t`` are tokens of one sample, ``b`` samples of a batch, ``h`` the hidden size, ``i``
the inner size of the MLP. One multiply-add counts as two operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.families.base import ModelShape

GIB = 1024**3
EFFICIENCY = 0.28
"""Share of a card's peak that published LoRA runs on vision-language models reach. Of the 989 TFLOP/s on its data sheet
an H100 was seen to give 10 to 46 %, the more the larger the batch (docs/benchmarks.md): a first plan errs to the safe
side, and past runs replace it."""
_RUNTIME_GIB = 1.0
"""CUDA context, cuBLAS workspace and kernels."""
_FRAGMENTATION = 1.05
"""The allocator's blocks are never completely full."""
_START_SECONDS = 60.0
"""Loading libraries, weights and pictures before the first step."""
_PREFERRED_HISTORY = 3
_ANSWER_MARGIN = 2
"""An answer is cut at so many times the length of the true one, which an untrained model takes."""
_STATE_BYTES = {"adamw": 8, "sgd": 4, "adafactor": 0}
"""Of the optimiser, for each trained weight; weight and gradient take 8 more. Adafactor keeps a row and a column."""


class PastRun(BaseModel):
    """What an earlier run measured (``timings.json`` holds it)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_fingerprint: str = Field(description="identity of the base model it trained")
    card: str = Field(description="name of the card in its plan")
    precision: str = Field(description="fp32 or bf16")
    batch_size: int = Field(ge=1, description="samples a device took at once")
    activation_checkpointing: bool = Field(description="whether activations were recomputed")
    samples_per_s: float = Field(gt=0, description="training samples a second, validation and checkpoints not counted")
    seconds_an_answer: float | None = Field(
        None, gt=0, description="of a validation sample that the model answered; empty: it answered none"
    )


class Estimate(BaseModel):
    """Figures of a plan. Memory in GiB of one card, time in seconds of one card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(description="optimiser steps")
    sample_tokens: int = Field(description="tokens of an average sample, picture included")
    trainable_parameters: int = Field(description="adapters and, if trained, the projector")
    total_parameters: int = Field(description="of the base model")
    weights_gib: float = Field(description="frozen base weights")
    trainable_gib: float = Field(description="trainable weights, gradients and the optimiser's state, all fp32")
    activations_gib: float = Field(description="kept for the backward pass of one batch")
    logits_gib: float = Field(description="vocabulary scores of the supervised tokens of one batch")
    memory_gib: float = Field(description="all of it, with runtime and fragmentation")
    largest_batch: int = Field(description="the largest batch_size that fits the declared card; 0: none does")
    samples_per_s: float = Field(description="training samples a second")
    based_on: str = Field(description="where samples_per_s comes from")
    seconds: float = Field(description="training, validation with its answers, and start")
    gpu_hours: float = Field(description="the same in hours of one card")
    cost: float = Field(description="at the declared price, in its currency")


@dataclass(frozen=True)
class Workload:
    """How much there is to train on, from the dataset's tables.

    Args:
        train_samples: samples of the train split that will be used.
        val_samples: samples of the validation split.
        text_tokens: of an average sample: question, answer and what the prompt puts around them.
        answer_tokens: of these, the supervised ones.
    """

    train_samples: int
    val_samples: int
    text_tokens: int
    answer_tokens: int


def steps_per_epoch(samples: int, config: TrainingConfig) -> int:
    """Optimiser steps of one pass; the last batch and the last accumulation may be smaller."""
    return math.ceil(math.ceil(samples / config.batch_size) / config.gradient_accumulation)


def total_steps(samples: int, config: TrainingConfig) -> int:
    """Optimiser steps of the whole run; the plan and the loop both count with this."""
    return config.max_steps or max(1, math.ceil(config.epochs * steps_per_epoch(samples, config)))


def trainable_parameters(shape: ModelShape, config: TrainingConfig) -> int:
    """LoRA adds ``rank * (in + out)`` to each adapted weight (Hu et al. 2021, section 4.1); the projector is whole."""
    lora = shape.layers * sum(config.lora.rank * (fan_in + fan_out) for fan_in, fan_out in shape.adapted_weights)
    return lora + (shape.projector_parameters if config.lora.train_projector else 0)


def activation_bytes(shape: ModelShape, config: TrainingConfig, tokens: int) -> float:
    """Bytes of one sample that are held at once when the backward pass needs most.

    Counted per token of a Llama layer as autograd keeps it with fused attention, after Korthikanti et al. 2022
    (section 4; the quadratic attention term is gone with fused attention): four tensors of width ``h`` (what each of
    two norms takes and gives), ``attention_kept`` (rotated q and k, v, the output) and four tensors of width ``i``
    (gate, up, activation, product). Dropout keeps its output and a mask of one byte for each of the seven adapted
    layers besides. Of the layer that is at work the gradients of one ``h`` and two ``i`` are there too. With activation
    checkpointing each other layer keeps its input only. The vision tower is frozen and comes first, so nothing of it is
    kept.
    """
    width = 2 if config.precision == "bf16" else 4
    h, i = shape.hidden_size, shape.intermediate_size
    kept = width * (4 * h + shape.attention_kept + 4 * i)
    if config.lora.dropout:
        kept += (width + 1) * (6 * h + i)
    at_work = width * (h + 2 * i)
    if config.activation_checkpointing:
        return float(tokens * (shape.layers * width * h + kept + at_work))
    return float(tokens * (shape.layers * kept + at_work))


def sample_flops(shape: ModelShape, config: TrainingConfig, tokens: float, answer_tokens: int) -> tuple[float, float]:
    """``(training, validation)`` operations of one sample.

    Forward is 2 operations a weight and token (Kaplan et al. 2020, section 2.1), attention ``4 t^2 h`` a layer
    (``2 t^2 h``, as half is masked). Backward through frozen weights is once forward (activations' gradients only);
    recomputing is once more. The head runs on supervised tokens only.
    """
    head = 2.0 * shape.vocabulary * shape.hidden_size * answer_tokens
    # The head is counted above; an input embedding that is not tied to it only looks up, and is 2 % of a 7B model.
    body_weights = shape.language_parameters - shape.vocabulary * shape.hidden_size
    body = 2.0 * body_weights * tokens + 2.0 * shape.layers * shape.hidden_size * tokens**2
    vision = 2.0 * shape.vision_parameters * shape.mean_vision_tokens
    vision += 2.0 * shape.projector_parameters * shape.mean_image_tokens
    passes = 3 if config.activation_checkpointing else 2
    return vision + passes * (body + head), vision + body + head


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


@dataclass(frozen=True)
class MemoryNeed:
    """GiB of one card that a training step needs, by what it is for."""

    weights: float
    trainable: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All of it, with runtime and fragmentation."""
        return _RUNTIME_GIB + _FRAGMENTATION * (self.weights + self.trainable + self.activations + self.logits)


def memory_need(shape: ModelShape, config: TrainingConfig, workload: Workload, batch_size: int) -> MemoryNeed:
    """What batches of ``batch_size`` samples need."""
    total = shape.language_parameters + shape.vision_parameters + shape.projector_parameters
    tokens = shape.image_tokens + workload.text_tokens
    return MemoryNeed(
        weights=total * (2 if config.precision == "bf16" else 4) / GIB,
        trainable=trainable_parameters(shape, config) * (8 + _STATE_BYTES[config.optimizer.name]) / GIB,
        activations=batch_size * activation_bytes(shape, config, tokens) / GIB,
        # Scores in the model's precision, their fp32 copy, its softmax and the gradient.
        logits=batch_size * workload.answer_tokens * shape.vocabulary * 14 / GIB,
    )


def largest_batch(shape: ModelShape, config: TrainingConfig, workload: Workload, memory_gib: float) -> int:
    """The most samples a card of ``memory_gib`` takes at once; 0 if not even one fits."""
    empty = memory_need(shape, config, workload, 0).total
    each = memory_need(shape, config, workload, 1).total - empty
    return max(0, math.floor((memory_gib - empty) / each))


def answering_seconds(shape: ModelShape, config: TrainingConfig, workload: Workload, rate: float) -> float:
    """Seconds in which the model answers the ``validation_answers`` once.

    Questions and pictures are read at the rate of a forward pass. Then each token of a batch takes what it takes to
    read the language model's weights once (Pope et al. 2022, section 2: small batches wait for memory), at
    :data:`EFFICIENCY` of the declared bandwidth.

    Args:
        shape: of the base model.
        config: names the answers and the card.
        workload: tokens of a sample.
        rate: training samples a second.
    """
    answers = min(config.validation_answers, workload.val_samples)
    tokens = min(config.max_answer_tokens, _ANSWER_MARGIN * workload.answer_tokens)
    train_flops, val_flops = sample_flops(
        shape, config, shape.mean_image_tokens + workload.text_tokens, workload.answer_tokens
    )
    weights = shape.language_parameters * (2 if config.precision == "bf16" else 4)
    token = weights / (config.card.bandwidth_gb_per_s * 1e9 * EFFICIENCY)
    return answers * val_flops / train_flops / rate + math.ceil(answers / config.batch_size) * tokens * token


def estimate(
    shape: ModelShape,
    config: TrainingConfig,
    workload: Workload,
    base_fingerprint: str,
    history: Sequence[PastRun] = (),
) -> Estimate:
    """Steps, memory, seconds and cost of a run.

    The rate is the median of past runs of the same base model, card, precision, batch and checkpointing, newest three
    first; without any it is the declared peak times :data:`EFFICIENCY`. So it is with the seconds of an answer, which
    else follow from :func:`answering_seconds`.
    """
    steps = total_steps(workload.train_samples, config)
    tokens = shape.mean_image_tokens + workload.text_tokens
    trainable = trainable_parameters(shape, config)
    total = shape.language_parameters + shape.vision_parameters + shape.projector_parameters

    need = memory_need(shape, config, workload, config.batch_size)
    train_flops, val_flops = sample_flops(shape, config, tokens, workload.answer_tokens)
    alike = [
        run
        for run in history
        if (run.base_fingerprint, run.card, run.precision, run.batch_size, run.activation_checkpointing)
        == (base_fingerprint, config.card.name, config.precision, config.batch_size, config.activation_checkpointing)
    ][-_PREFERRED_HISTORY:]
    if alike:
        rate = _median([run.samples_per_s for run in alike])
        based_on = f"{len(alike)} past runs of this base model on {config.card.name}"
    else:
        rate = config.card.peak_tflops * 1e12 * EFFICIENCY / train_flops
        based_on = f"{EFFICIENCY:.0%} of the {config.card.peak_tflops:g} TFLOP/s declared for {config.card.name}"
    per_step = config.batch_size * config.gradient_accumulation
    per_epoch = steps_per_epoch(workload.train_samples, config)
    trained = steps * min(per_step, workload.train_samples / per_epoch) if per_epoch else 0.0
    validations = math.ceil(steps / config.evaluate_every_steps)
    validated = validations * workload.val_samples * val_flops / train_flops
    measured = [run.seconds_an_answer for run in alike if run.seconds_an_answer is not None]
    if measured:
        asking = min(config.validation_answers, workload.val_samples) * _median(measured)
    else:
        asking = answering_seconds(shape, config, workload, rate)
    # Once more of the weights that are published.
    seconds = _START_SECONDS + (trained + validated) / rate + (validations + 1) * asking
    hours = seconds / 3600
    return Estimate(
        steps=steps,
        sample_tokens=round(tokens),
        trainable_parameters=trainable,
        total_parameters=total,
        weights_gib=round(need.weights, 3),
        trainable_gib=round(need.trainable, 3),
        activations_gib=round(need.activations, 3),
        logits_gib=round(need.logits, 3),
        memory_gib=round(need.total, 3),
        largest_batch=largest_batch(shape, config, workload, config.card.memory_gib),
        samples_per_s=round(rate, 4),
        based_on=based_on,
        seconds=round(seconds, 1),
        gpu_hours=round(hours, 4),
        cost=round(hours * config.card.price_per_hour, 2),
    )
