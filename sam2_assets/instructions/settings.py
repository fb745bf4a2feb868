"""What a person can choose about the instruction dataset."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class InstructionSettings(BaseModel):
    """Settings of ``build_dataset``; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: list[str] = Field(
        default=["detect", "main_object"],
        description="What is asked about every frame: detect, main_object, count, locate.",
    )
    formats: list[str] = Field(
        default=["llava"],
        description="Views written beside the dataset for other tools: llava, messages, coco, jsonl_masks, grounding. "
        "Each holds its own copy of the pictures.",
    )
    questions: dict[str, str] = Field(
        default={},
        description="Task name to the one question to ask, instead of the built-in phrasings. "
        "{label} in a question of task locate becomes the label.",
    )
    seed: int = Field(default=0, description="Chooses among phrasings (and, in task locate, among labels).")
    row_group_mb: float = Field(
        default=32.0,
        gt=0,
        description="Pictures are written in groups of about this many megabytes; bounds the memory of a build.",
    )
    shard_mb: float = Field(default=512.0, gt=0, description="A parquet file is closed at about this many megabytes.")
