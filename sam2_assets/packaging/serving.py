"""``serving.json``: what a server must know to answer as the evaluation did, and how it is held to it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sam2_assets.errors import PackagingError
from sam2_assets.training.identity import BaseModelIdentity, identify

SERVING_FILE: Final = "serving.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
BASE_VARIABLE: Final = "SAM2_ASSETS_BASE_MODEL"


class Example(BaseModel):
    """A test question and the answer the evaluation recorded; the picture stays in the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sample_id: str
    question: str
    expected: str


class Serving(BaseModel):
    """The contents of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    name: str = Field(description="of the model, shown with every answer")
    plan_hash: str
    base: BaseModelIdentity
    base_reference: str | None = Field(description="hub id or relative folder of the base model; null: must be given")
    coordinates: str = Field(description="convention of the boxes inside the answer's text")
    precision: Literal["fp32", "bf16"]
    max_new_tokens: int
    adapter_sha256: str = Field(description=f"of {ADAPTER_WEIGHTS}")
    examples: list[Example]

    def to_json(self) -> str:
        """The file's text; the same contents give the same bytes."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def read(cls, repository: Path) -> Serving:
        """Read a repository's file.

        Raises:
            PackagingError: ``not_a_repository`` or ``serving_invalid``.
        """
        path = repository / SERVING_FILE
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PackagingError(
                "not_a_repository",
                f"no readable {SERVING_FILE}",
                file=str(repository),
                remedy="Give the folder that model_card published.",
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise PackagingError(
                "serving_invalid",
                str(first["msg"]),
                file=str(path),
                field=".".join(str(part) for part in first["loc"]) or None,
                remedy="Materialize model_card again.",
            ) from error


def weights_sha256(repository: Path) -> str:
    """The sha256 of the adapter's weights.

    Raises:
        PackagingError: ``adapter_missing``.
    """
    path = repository / ADAPTER_WEIGHTS
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise PackagingError(
            "adapter_missing", "no adapter weights", file=str(path), remedy="Materialize lora_adapter and model_card."
        ) from error


def resolve_base(serving: Serving, given: str | None) -> str:
    """The base model to load, checked to be the one the adapter was trained on.

    The order is: ``given``, the variable ``SAM2_ASSETS_BASE_MODEL``, the repository's own reference.

    Raises:
        PackagingError: ``base_model_needed`` if nothing names one, ``base_model_changed`` if it is another one.
        TrainingError: if it cannot be found or read.
    """
    chosen = given or os.environ.get(BASE_VARIABLE) or serving.base_reference
    if not chosen:
        raise PackagingError(
            "base_model_needed",
            f"the adapter belongs on {serving.base.name}, which was a folder on the training machine",
            file=SERVING_FILE,
            field="base_reference",
            value=None,
            remedy=f"Give that folder as --base-model, or in the variable {BASE_VARIABLE}.",
        )
    found = identify(chosen, serving.base.commit, serving.base.family)
    if found.fingerprint != serving.base.fingerprint:
        raise PackagingError(
            "base_model_changed",
            f"this is not the {serving.base.name} that the adapter was trained on",
            file=chosen,
            field="fingerprint",
            value=found.fingerprint,
            remedy="Give the very base model that the card names; an adapter on another one answers nonsense.",
        )
    return chosen


def check_adapter(repository: Path, serving: Serving) -> None:
    """Refuse weights that are not those the repository was written with.

    Raises:
        PackagingError: ``adapter_missing``, ``adapter_changed``.
    """
    digest = weights_sha256(repository)
    if digest != serving.adapter_sha256:
        raise PackagingError(
            "adapter_changed",
            "the adapter's weights are not those that were evaluated",
            file=ADAPTER_WEIGHTS,
            field="sha256",
            value=digest,
            remedy="Copy the repository again, or materialize model_card again.",
        )
