"""What a person can choose about the model repository and its deployment."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelCardSettings(BaseModel):
    """Settings of ``write_repository``; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(None, description="of the card; empty: base model and task")
    licence: str | None = Field(None, description="identifier of a licence, e.g. apache-2.0; empty: none is stated")
    intended_use: str | None = Field(None, description="a paragraph for the card, in your words; empty: none")
    gallery: bool = Field(
        False, description="put the evaluation's worst and best pictures into the repository; they show your frames"
    )
    examples: int = Field(8, ge=1, le=100, description="test questions kept in serving.json with the expected answer")


class DeploymentSettings(BaseModel):
    """Settings of the deployment child; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    build: Literal["corpus", "always", "never"] = Field(
        "corpus",
        description="when an image is built: corpus: of the corpus only, a single export gets the build context; "
        "always: of single exports, too (the job image_video asks for one); never: the build context only",
    )
    without_engine: Literal["context", "fail"] = Field(
        "context",
        description="where an image is due and no Docker Engine answers: context: publish the verified build context "
        "and say so; fail: fail",
    )
    repository: str = Field(
        "sam2-assets-models",
        description="where images are named: <repository>/<partition>:<version>; may begin with a registry",
    )
    push: bool = Field(False, description="push a verified image to the registry that repository names")
    container_memory_gib: float = Field(
        16.0, gt=0, description="memory limit of the container that an image is verified in"
    )
    pictures: int = Field(8, ge=1, description="test questions the started server is asked")
    min_agreement: float = Field(
        1.0, gt=0, le=1, description="share of them it must answer exactly as the evaluation recorded"
    )
    include_base: bool = Field(
        False, description="copy the base model into the image; otherwise it is mounted or downloaded when it starts"
    )
    base_image: str = Field("python:3.11-slim-bookworm", description="image the Dockerfile starts from")
    start_timeout_s: float = Field(900.0, gt=0, description="seconds the server may take to load the model")
    answer_timeout_s: float = Field(300.0, gt=0, description="seconds one answer may take")
