"""The proposal's ``training_config.yaml``, read as a settings file.

It groups the same choices otherwise: ``model``, ``training`` (flat), ``data``, ``hardware``, ``checkpointing``,
``logging``. A file with a ``model`` section is taken to be one; sections of our own may stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sam2_assets.errors import SettingsError

_MARK: Final = "model"
_NO_EFFECT: Final = None
# Section and field of the proposal -> section and field of ours; None: accepted, and nothing to set here.
FIELDS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "model": {"name": "training.base_model", "revision": "training.revision", "type": "training.family"},
    "training": {
        "method": "training.method",
        "lora_rank": "training.lora.rank",
        "lora_alpha": "training.lora.alpha",
        "lora_dropout": "training.lora.dropout",
        "lora_target_modules": "training.lora.targets",
        "target_modules": "training.lora.targets",
        "learning_rate": "training.optimizer.learning_rate",
        "lr_scheduler": "training.optimizer.scheduler",
        "lr_scheduler_type": "training.optimizer.scheduler",
        "optimizer": "training.optimizer.name",
        "warmup_ratio": "training.optimizer.warmup_ratio",
        "weight_decay": "training.optimizer.weight_decay",
        "max_grad_norm": "training.optimizer.max_grad_norm",
        "batch_size": "training.batch_size",
        "gradient_accumulation_steps": "training.gradient_accumulation",
        "num_epochs": "training.epochs",
        "max_steps": "training.max_steps",
        "seed": "training.seed",
    },
    "data": {
        "train_split": "splitting.train",
        "val_split": "splitting.val",
        "test_split": "splitting.test",
        "max_samples": "training.max_samples",
    },
    "hardware": {
        # The GPU is used where torch sees one.
        "device": _NO_EFFECT,
        "mixed_precision": "training.precision",
        "gradient_checkpointing": "training.activation_checkpointing",
    },
    "checkpointing": {
        "save_steps": "training.checkpoints.every_steps",
        "save_total_limit": "training.checkpoints.keep",
    },
    # Events always lie beside the checkpoints and in the published adapter.
    "logging": {"log_steps": "training.log_every_steps", "tensorboard_dir": _NO_EFFECT},
}
_PRECISIONS: Final = {"bf16": "bf16", "no": "fp32", "fp32": "fp32", False: "fp32"}
# Its three types of model; the base model's own configuration decides, and must agree.
_FAMILIES: Final = {"llava": "llava", "instructblip": "instructblip", "qwen-vl": None, "qwen_vl": None}


def translated(values: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The values of a settings file, turned into our sections if they are in the proposal's shape.

    Raises:
        SettingsError: ``unknown_proposal_field`` or ``unsupported_choice``, naming the field.
    """
    if not isinstance(values.get(_MARK), Mapping):
        return dict(values)
    ours: dict[str, Any] = {name: value for name, value in values.items() if name not in FIELDS}
    if "seed" in ours:
        _put(ours, "training.seed", ours.pop("seed"))
    for section, fields in FIELDS.items():
        stated = values.get(section)
        if stated is None:
            continue
        if not isinstance(stated, Mapping):
            raise _unknown(file, section, stated, "this section holds `name: value` pairs")
        for name, value in stated.items():
            if name in fields:
                target = fields[name]
                if target is not None:
                    _put(ours, target, _value(target, value, file, f"{section}.{name}"))
            elif section == "training":  # one of our own fields: checked with all others
                _put(ours, f"training.{name}", value)
            else:
                raise _unknown(file, f"{section}.{name}", value, "the proposal's file has no such field")
    return ours


def _value(target: str, value: Any, file: str, field: str) -> Any:
    if target == "training.precision":
        if value not in _PRECISIONS:
            raise SettingsError(
                "unsupported_choice",
                "bf16 has the range of fp32 in two bytes, fp16 overflows without loss scaling",
                file=file,
                field=field,
                value=value,
                remedy="Write bf16, or no for fp32.",
            )
        return _PRECISIONS[value]
    if target == "training.method" and value != "lora":
        raise SettingsError(
            "unsupported_choice",
            "LoRA is the only method so far",
            file=file,
            field=field,
            value=value,
            remedy="Write lora. For less memory: training.preset low_memory.",
        )
    if target == "training.family":
        if value not in _FAMILIES:
            raise SettingsError(
                "unsupported_choice",
                "no such type of model",
                file=file,
                field=field,
                value=value,
                remedy=f"Write {', '.join(str(name) for name in _FAMILIES)}, or leave it out.",
            )
        return _FAMILIES[value]
    return value


def _put(ours: dict[str, Any], target: str, value: Any) -> None:
    *sections, name = target.split(".")
    place = ours
    for section in sections:
        held = place.get(section)
        place[section] = dict(held) if isinstance(held, Mapping) else {}
        place = place[section]
    if isinstance(value, Mapping) and isinstance(place.get(name), Mapping):
        place[name] = {**place[name], **value}
    else:
        place[name] = value


def _unknown(file: str, field: str, value: Any, why: str) -> SettingsError:
    return SettingsError(
        "unknown_proposal_field",
        why,
        file=file,
        field=field,
        value=value,
        remedy="docs/training.md lists the fields of training_config.yaml that are read, and where each goes.",
    )
