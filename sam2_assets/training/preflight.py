"""The last look before the first step: one real batch is built and asked whether it teaches what it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import torch

from sam2_assets.coordinates import Convention, ImageGeometry, from_model
from sam2_assets.errors import TrainingError
from sam2_assets.instructions.sample import Sample, markers
from sam2_assets.training.adapters import Adapted
from sam2_assets.training.answers import parse_answer
from sam2_assets.training.collation import Collator, Encoder
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.loss import IGNORED, answer_loss, supervised_tokens
from sam2_assets.training.progress import Scalar

_LAST_DIGIT: Final = {
    Convention.PADDED_UNIT_SQUARE: 0.01,
    Convention.THOUSANDTHS: 1.0,
    Convention.RESIZED_PIXELS: 1.0,
}
"""What the last digit that is written counts: a corner moves by half of it at most, on its way through the text."""


def preflight(
    adapted: Adapted,
    encoder: Encoder,
    samples: Sequence[Sample],
    config: TrainingConfig,
    device: torch.device,
    arithmetic: AbstractContextManager[None],
) -> dict[str, Scalar]:
    """Check template, masking, coordinates, adapters and picture tokens on one sample of each task.

    The model is asked once, without gradients and without drawing a random number.

    Args:
        adapted: the model before its first step, on ``device``.
        encoder: of the run.
        samples: training samples.
        config: of the run.
        device: where the model is.
        arithmetic: the autocast of the run.

    Returns:
        What was found, for people: an example of what is taught, counts, the largest error of a box's corner in
        frame pixels, and the loss before training.

    Raises:
        TrainingError: ``prompt_mismatch``, ``end_token_missing``, ``box_not_kept``, ``frame_size_mismatch``,
            ``lora_targets``, ``picture_tokens`` or ``loss_not_finite``.
    """
    first_of = {sample.task: sample for sample in reversed(samples)}
    chosen = [first_of[task] for task in dict.fromkeys(sample.task for sample in samples)]
    for sample in chosen:
        encoder.check(sample)
        _ends(encoder, sample)
    moved = max((_moved(encoder, sample) for sample in chosen), default=0.0)
    _adapters(adapted, encoder, config)
    first = encoder.encode(chosen[0])
    supervised = first.labels[first.labels != IGNORED]
    batch = Collator(encoder)(chosen[: config.batch_size])
    return {
        "samples": len(chosen),
        "tasks": ", ".join(sample.task for sample in chosen),
        "question": encoder.question(chosen[0]),
        "taught": encoder.processor.tokenizer.decode(supervised, skip_special_tokens=False),
        "tokens": len(first.labels),
        "picture_tokens": encoder.picture_tokens(first),
        "supervised_tokens": len(supervised),
        "adapted_modules": len(adapted.adapted_modules),
        "corner_error_px": round(moved, 3),
        "loss": _loss(adapted.model, batch, device, arithmetic, chosen[0]),
    }


def _ends(encoder: Encoder, sample: Sample) -> None:
    end = encoder.family.end_of_answer(encoder.processor)
    last = int(encoder.encode(sample).labels[-1])
    if last != encoder.processor.tokenizer.convert_tokens_to_ids(end):
        raise TrainingError(
            "end_token_missing",
            f"the last token that is taught is {encoder.processor.tokenizer.convert_ids_to_tokens(last)!r}",
            file=sample.sample_id,
            field="answer",
            value=end,
            remedy="The base model's tokenizer does not fit its family: answers would never end. Download it again.",
        )


def _moved(encoder: Encoder, sample: Sample) -> float:
    """The farthest that a box's corner moves from frame to text and back, in frame pixels."""
    family = encoder.family
    _same_size(encoder, sample)
    geometry = ImageGeometry(
        (sample.width, sample.height), family.resized(encoder.processor, (sample.width, sample.height))
    )
    boxes = [box for marker in markers(sample.answer) if (box := sample.box_of(marker)) is not None]
    answer = sample.render_answer(family.coordinates, geometry.resized)
    read = [parsed.numbers for parsed in parse_answer(answer) if parsed.numbers is not None]
    digit = _LAST_DIGIT[family.coordinates]
    allowed = max(
        digit * side / units for side, units in zip(geometry.frame, _extent(family.coordinates, geometry), strict=True)
    )
    farthest = 0.0
    for (x, y, w, h), numbers in zip(boxes, read, strict=False):
        u, v, s, t = from_model(numbers, family.coordinates, geometry)
        farthest = max(farthest, abs(u - x), abs(v - y), abs(u + s - x - w), abs(v + t - y - h))
    if len(read) != len(boxes) or farthest > allowed:
        raise TrainingError(
            "box_not_kept",
            f"a corner moves by {farthest:.1f} pixels from frame to text and back, more than its last digit",
            file=sample.sample_id,
            field="answer",
            value=answer,
            remedy="Boxes lie outside the frame, or a label reads like a box: see the quality report, and rename it "
            "by a label map.",
        )
    return farthest


def _extent(convention: Convention, geometry: ImageGeometry) -> tuple[float, float]:
    """How many units of the convention the frame's width and height are."""
    width, height = geometry.frame
    if convention is Convention.PADDED_UNIT_SQUARE:
        side = max(width, height)
        return width / side, height / side
    if convention is Convention.THOUSANDTHS:
        return 1000.0, 1000.0
    resized = geometry.resized or geometry.frame
    return float(resized[0]), float(resized[1])


def _same_size(encoder: Encoder, sample: Sample) -> None:
    """The coordinates' grid must be that of the pixels that the processor really made."""
    resized = encoder.family.resized(encoder.processor, (sample.width, sample.height))
    grid = encoder.encode(sample).picture.get("image_grid_thw")
    if resized is None or grid is None:
        return
    patch = int(encoder.processor.image_processor.patch_size)
    made = (int(grid[0, 2]) * patch, int(grid[0, 1]) * patch)
    if made != resized:
        raise TrainingError(
            "frame_size_mismatch",
            f"boxes are counted in {resized[0]} x {resized[1]} pixels, and the picture has {made[0]} x {made[1]}",
            file=sample.sample_id,
            remedy="The picture processor's pixel limits do not fit the family; download the base model again.",
        )


def _adapters(adapted: Adapted, encoder: Encoder, config: TrainingConfig) -> None:
    if config.lora.targets is not None:  # one's own choice; `adapt` has refused what lies outside the language model
        return
    shape = encoder.family.shape(adapted.model.config.to_dict())
    expected = shape.layers * len(shape.adapted_weights)
    if len(adapted.adapted_modules) != expected:
        raise TrainingError(
            "lora_targets",
            f"{len(adapted.adapted_modules)} layers are adapted, and {shape.layers} layers of "
            f"{len(shape.adapted_weights)} make {expected}",
            field="lora.targets",
            remedy="The base model is not built as its family says; name the targets yourself.",
        )


def _loss(
    model: Any,
    batch: dict[str, torch.Tensor],
    device: torch.device,
    arithmetic: AbstractContextManager[None],
    sample: Sample,
) -> float:
    model.eval()
    on_device = {name: value.to(device) for name, value in batch.items()}
    try:
        with torch.no_grad(), arithmetic:
            loss = float(answer_loss(model, on_device, supervised_tokens(batch["labels"])))
    except ValueError as error:
        # transformers compares the features of the vision tower with the tokens that stand for them.
        raise TrainingError(
            "picture_tokens",
            f"the model and its processor disagree about a picture ({str(error).splitlines()[0]})",
            file=sample.sample_id,
            remedy="Processor and weights are of different models; download the base model again.",
        ) from error
    if not math.isfinite(loss):
        raise TrainingError(
            "loss_not_finite",
            f"the loss before the first step is {loss}",
            file=sample.sample_id,
            field="precision",
            value=str(next(model.parameters()).dtype),
            remedy="The base model's weights are damaged, or overflow in this precision.",
        )
    return loss
