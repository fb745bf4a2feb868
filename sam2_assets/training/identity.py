"""Which base model this is, by its contents, so that a plan means the same weights on every machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sam2_assets.errors import TrainingError
from sam2_assets.training.families import family_by_name, family_of
from sam2_assets.training.families.base_files import (
    config_path,
    read_config,
    require_every_part,
    require_whole,
    text_settings,
)

_WHOLE_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
_WEIGHTS = "*.safetensors"


class BaseModelIdentity(BaseModel):
    """A base model's name and contents.

    ``fingerprint`` is a hash over the folder's configuration and tokenizer files and its weights; of a hub's model it
    is a hash over id and commit, since a commit fixes both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="the hub's model id, or the folder's own name")
    commit: str | None = Field(description="of a hub model")
    family: str = Field(description="model family that trains it")
    fingerprint: str = Field(description="sha256 of what decides its outputs")


def identify(base_model: str, revision: str | None = None, family: str | None = None) -> BaseModelIdentity:
    """The identity of a folder on this machine or of a hub's model.

    Raises:
        TrainingError: ``base_model_missing``, ``base_model_unreachable``, ``base_model_unreadable``,
            ``unsupported_architecture``, ``unknown_family``, ``base_model_quantised``, ``base_model_without_weights``
            or ``base_model_incomplete``.
    """
    known = family_by_name(family) if family else family_of(base_model, revision)
    _refuse_quantised(read_config(base_model, revision), base_model)
    config = config_path(base_model, revision)
    folder = Path(base_model).expanduser()
    if folder.is_dir():
        return BaseModelIdentity(
            name=folder.resolve().name, commit=None, family=known.name, fingerprint=_of_folder(folder)
        )
    # The hub's cache keeps each commit in its own folder, which is named after it.
    commit = config.parent.name
    fingerprint = hashlib.sha256(f"{base_model}@{commit}".encode()).hexdigest()
    return BaseModelIdentity(name=base_model, commit=commit, family=known.name, fingerprint=fingerprint)


def _refuse_quantised(config: Mapping[str, Any], base_model: str) -> None:
    quantised = config.get("quantization_config") or text_settings(config).get("quantization_config")
    if not quantised:
        return
    raise TrainingError(
        "base_model_quantised",
        "its weights are quantised, and only whole ones are trained",
        file=base_model,
        field="quantization_config.quant_method",
        value=quantised.get("quant_method") if isinstance(quantised, Mapping) else quantised,
        remedy="Take the model in bf16, fp16 or fp32 that it was made from; quantise after the adapter is merged.",
    )


def _of_folder(folder: Path) -> str:
    weights = sorted(folder.glob(_WEIGHTS))
    if not weights:
        raise TrainingError(
            "base_model_without_weights",
            "the folder holds no *.safetensors",
            file=str(folder),
            remedy="Save the model with save_pretrained(safe_serialization=True); pickled weights are not read.",
        )
    require_every_part(folder)
    files = {path for pattern in _WHOLE_FILES for path in folder.glob(pattern)} | set(weights)
    entries: dict[str, str] = {}
    for path in sorted(files):
        try:
            with path.open("rb") as stream:
                entries[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
        except PermissionError as error:
            # save_pretrained makes weights that only their owner may read; a container's user is another one.
            raise TrainingError(
                "base_model_unreadable",
                f"this process (user {os.geteuid()}) may not read it",
                file=str(path),
                remedy="Let it: chmod -R a+rX on the base model's folder.",
            ) from error
        if path in weights:
            require_whole(path)
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
