"""LoRA on a base model: which modules are adapted and trained, in which precision, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from sam2_assets.errors import TrainingError
from sam2_assets.training.config import LoraSettings
from sam2_assets.training.families.base import ModelFamily
from sam2_assets.training.fusion import FusedLinear, fuse_norms
from sam2_assets.training.identity import BaseModelIdentity
from sam2_assets.training.rotary import fuse_rotations

WEIGHTS_FILE = "adapter_model.safetensors"
_LANGUAGE = "language_model"


@dataclass(frozen=True)
class Adapted:
    """A PEFT model ready to train, and what is trained in it."""

    model: Any
    adapted_modules: tuple[str, ...]
    trainable_parameters: int
    total_parameters: int


def adapt(model: Any, family: ModelFamily, settings: LoraSettings, base: BaseModelIdentity) -> Adapted:
    """Put adapters on the language model and, if asked, unfreeze the projector.

    The initial weights come from torch's global generator: seed it first. The base keeps its precision; everything
    trainable is fp32, because an update of 1e-4 vanishes in bf16's eight bits of mantissa.

    Raises:
        TrainingError: ``lora_targets`` if the targets hit nothing, or something outside the language model.
    """
    targets = settings.targets or family.lora_targets
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        modules_to_save=list(family.projector_modules) if settings.train_projector else None,
        task_type="CAUSAL_LM",
    )
    # Only here: what is written is PEFT's, and is read into PEFT's own layers. It takes subclasses of Linear, too, as
    # quantised layers are, for which PEFT has layers of its own.
    config._register_custom_module({torch.nn.Linear: FusedLinear})
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise _bad_targets(targets, str(error).splitlines()[0]) from error
    names = tuple(name for name, module in adapted.named_modules() if isinstance(module, LoraLayer))
    elsewhere = [name for name in names if _LANGUAGE not in name]
    if not names or elsewhere:
        raise _bad_targets(targets, f"they hit {elsewhere[0]}" if elsewhere else "they hit no module")
    own = adapted.peft_config["default"]
    # PEFT writes the folder the model was loaded from: the name is the same on every machine.
    own.base_model_name_or_path, own.revision = base.name, base.commit
    trainable = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.data = parameter.data.float()
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            # PEFT would write each input anew in the adapter's fp32, and autocast then in bf16 again: the same numbers,
            # at the price of two passes over memory and of an fp32 copy that is kept for the backward pass.
            module.cast_input_dtype_enabled = False
    fuse_norms(adapted)
    fuse_rotations(adapted)
    return Adapted(
        model=adapted,
        adapted_modules=names,
        trainable_parameters=sum(parameter.numel() for parameter in trainable),
        total_parameters=sum(parameter.numel() for parameter in adapted.parameters()),
    )


def _bad_targets(targets: str, why: str) -> TrainingError:
    return TrainingError(
        "lora_targets",
        f"the adapters' targets do not fit this model: {why}",
        field="lora.targets",
        value=targets,
        remedy="Leave it empty for the family's own choice, or name linear layers of the language model.",
    )


def recompute_activations(model: Any) -> None:
    """Make the model forget activations and compute them again in the backward pass."""
    # The non-reentrant kind needs no gradient on the input, which a frozen embedding does not have. The library asks
    # for one all the same, of the pictures too: the whole frozen tower would be computed twice, and backward.
    keywords = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=keywords)
    else:  # its name before transformers 5.18
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=keywords)
    model.disable_input_require_grads()


def parameter_groups(
    model: Any, projector_modules: Sequence[str], *, adapters_rate: float, projector_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Optimiser groups: adapters and projector at their own rates; vectors (biases, norms) do not decay."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            in_projector = any(f"{module}." in name for module in projector_modules)
            groups.setdefault((in_projector, parameter.ndim < 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": projector_rate if in_projector else adapters_rate,
            "weight_decay": 0.0 if vector else weight_decay,
        }
        for (in_projector, vector), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def parameters_without_gradient(model: Any) -> list[str]:
    """Names of trainable parameters that the last backward pass did not reach."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]


def write_weights(model: Any, folder: Path) -> None:
    """Write the trainable weights as PEFT names them, in fp32."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def read_weights(model: Any, folder: Path) -> None:
    """Put weights that :func:`write_weights` wrote back, exactly."""
    set_peft_model_state_dict(model, load_file(folder / WEIGHTS_FILE))


def write_adapter(model: Any, processor: Any, folder: Path) -> None:
    """Write the adapter as ``PeftModel.from_pretrained`` reads it, and the processor it was trained with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(model, folder)
    config = model.peft_config["default"]
    config.inference_mode = True
    config.save_pretrained(str(folder))
    # How this machine reached the base model would be written beside what the tokenizer is.
    for habit in ("is_local", "local_files_only"):
        processor.tokenizer.init_kwargs.pop(habit, None)
    processor.save_pretrained(str(folder))
