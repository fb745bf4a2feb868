"""The YAML front matter of the card, as model hubs read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sam2_assets.packaging.serving import Serving
from sam2_assets.packaging.settings import ModelCardSettings

METRIC_TYPES: Final[Mapping[str, str]] = {
    "label_accuracy": "accuracy",
    "answer_accuracy": "accuracy",
    "box_iou": "mean_iou",
    "iou_at_50": "iou_at_50",
    "f1": "f1",
    "precision": "precision",
    "recall": "recall",
    "unreadable": "unreadable_share",
}


def front_matter(scores: Mapping[str, Any], serving: Serving, settings: ModelCardSettings) -> str:
    """The block between two ``---`` lines.

    ``base_model`` is stated only for a hub's model: hubs link to it, and a folder's name would link to a stranger's.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-text-to-text",
            task_name=task,
            dataset_type="sam2-assets",
            dataset_name="test split",
            # Hubs group results by data set and not by task's name: without this all tasks would read as one.
            dataset_config=task,
            dataset_revision=scores["provenance"]["splits_sha256"],
            dataset_split="test",
            metric_type=METRIC_TYPES[name],
            metric_name=f"{score['title']} ({task})",
            metric_value=score["systems"]["adapter"]["value"],
        )
        for task, found in scores["tasks"].items()
        for name, score in found["scores"].items()
    ]
    kinds = {METRIC_TYPES[name] for found in scores["tasks"].values() for name in found["scores"]}
    card = ModelCardData(
        license=settings.licence,
        library_name="peft",
        pipeline_tag="image-text-to-text",
        base_model=serving.base.name if serving.base.commit else None,
        tags=["lora", "sam2", "sam2-assets", "visual-grounding", serving.base.family],
        metrics=sorted(kinds),
        model_name=serving.name,
        eval_results=results,
    )
    if serving.base.commit:
        card["base_model_relation"] = "adapter"
    return f"---\n{card.to_yaml()}\n---\n"
