"""What TensorBoard shows beside the curves: the configuration, and the model's answers as text and as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import summary

from sam2_assets.training.config import TrainingConfig
from sam2_assets.training.showing import MOST_DRAWN, Shown, jpeg

_METRICS = ("train/loss", "validation/loss", "validation/box_iou")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    found: dict[str, str | int | float | bool] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float | bool):
            found[prefix + name] = value
        elif value:
            found[prefix + name] = str(value)
    return found


def of_configuration(config: TrainingConfig) -> list[Any]:
    """Summaries for the HPARAMS tab: what decides the weights, without paths."""
    chosen = _flat(config.deciding_fields())
    # A folder's place says nothing to who compares runs, and would differ from machine to machine.
    chosen.pop("base_model")
    made = list(summary.hparams(chosen, dict.fromkeys(_METRICS, 0.0)))
    for one in made:
        for value in one.value:
            # Protocol buffers write a map in another order in each process, unless they are told not to.
            plugin = value.metadata.plugin_data
            content = HParamsPluginData.FromString(plugin.content)
            plugin.content = content.SerializeToString(deterministic=True)
    return made


def of_answers(shown: Sequence[Shown]) -> list[Any]:
    """Summaries for the TEXT and IMAGES tabs."""
    rows = ["| sample | asked | true | answered | IoU |", "|" + " --- |" * 5]
    for one in shown:
        overlap = f"{one.measures.mean_iou:.2f}" if one.measures.true else ""
        texts = (one.sample.sample_id, one.question, one.true_text, one.answer.text, overlap)
        rows.append("| " + " | ".join(_cell(text) for text in texts) + " |")
    made = [summary.text("answers", "\n".join(rows))]
    for index, one in enumerate(shown[:MOST_DRAWN], 1):
        picture = one.picture()
        image = Summary.Image(
            width=picture.width, height=picture.height, colorspace=3, encoded_image_string=jpeg(picture)
        )
        made.append(Summary(value=[Summary.Value(tag=f"answers/{index:02d}", image=image)]))
    return made


def _cell(text: str) -> str:
    return " / ".join(text.splitlines()).replace("|", "\\|")
