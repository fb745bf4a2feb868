"""Which published base models are trained, and what each needs: the table of docs/models.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sam2_assets.coordinates import Convention
from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.estimate import Workload, largest_batch, memory_need
from sam2_assets.training.families import FAMILIES

HEADER: Final = (
    "base model",
    "family",
    "parameters",
    "picture tokens",
    "box coordinates",
    "views for other tools",
    "method",
    "least memory",
    "batch in 24 GiB",
    "batch in 80 GiB",
)
COORDINATES: Final = {
    Convention.PADDED_UNIT_SQUARE: "0..1, frame padded to a square",
    Convention.THOUSANDTHS: "0..1000 of each side",
    Convention.RESIZED_PIXELS: "pixels of the resized frame",
}
# A question and an answer about two objects, with the default configuration and activations recomputed.
_WORKLOAD = Workload(train_samples=1000, val_samples=100, text_tokens=128, answer_tokens=64)
_CONFIG = TrainingConfig(activation_checkpointing=True)


def rows() -> list[Sequence[str]]:
    """One row a published model; memory as the plan computes it for a frame of 1280 x 720."""
    found: list[Sequence[str]] = []
    for family in FAMILIES.values():
        for published in family.published:
            shape = family.shape(published.config)
            total = shape.language_parameters + shape.vision_parameters + shape.projector_parameters
            boxes = COORDINATES[family.coordinates]
            found.append(
                (
                    f"`{published.name}`",
                    f"`{family.name}`",
                    f"{total / 1e9:.2f} B",
                    str(shape.image_tokens),
                    boxes if family.boxes_pretrained else f"{boxes}; its pretraining had no boxes",
                    ", ".join(f"`{view}`" for view in family.views),
                    "LoRA",
                    f"{memory_need(shape, _CONFIG, _WORKLOAD, 1).total:.1f} GiB",
                    _batch(largest_batch(shape, _CONFIG, _WORKLOAD, 24)),
                    _batch(largest_batch(shape, _CONFIG, _WORKLOAD, 80)),
                )
            )
    return found


def _batch(size: int) -> str:
    return str(size) if size else "none"
