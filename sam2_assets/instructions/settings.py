"""What a person can choose about the instruction dataset."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class InstructionSettings(BaseModel):
    """Settings of ``build_dataset``; a launchpad form is derived from the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: list[str] = Field(
        default=["detect", "main_object"],
        description="What is asked about every frame: detect, main_object, count, locate, describe, name, refer, "
        "track, segment. A task is left out of a frame where its answer would be in doubt.",
    )
    formats: list[str] = Field(
        default=["llava"],
        description="Views written beside the dataset for other tools: llava, messages, grounding, qwen, qwen2_5, "
        "coco, jsonl_masks, huggingface. Each holds its own copy of the pictures.",
    )
    languages: list[str] = Field(
        default=["en"],
        description="Languages of questions and answers, mixed evenly over the samples: en, de, zh. A dialogue is "
        "in one language.",
    )
    turns: int = Field(
        default=1,
        ge=1,
        description="So many questions about a frame follow each other in one dialogue of the views llava, messages, "
        "grounding, qwen and qwen2_5. Training here takes each question by itself, as the server does.",
    )
    none_share: float = Field(
        default=0.25,
        ge=0.0,
        le=1.0,
        description="Share of the locate questions that ask for a label which the frame does not show, where there "
        "is such a label in the video or in other_labels. The right answer is none.",
    )
    other_labels: list[str] = Field(
        default=[],
        description="Things that no frame shows, to ask locate questions about. Name only what is truly absent: what "
        "was not annotated may still be in the picture.",
    )
    polygons: bool = Field(
        default=False, description="Answers of task segment also hold the outlines of the masks, as polygons."
    )
    polygon_points: int = Field(default=24, ge=3, description="Most corners of one polygon.")
    questions: dict[str, str] = Field(
        default={},
        description="Task name to the one question to ask, instead of the built-in phrasings, in every language. It "
        "holds what the task needs: {label} for locate and segment, {box} for name, {object} for refer, {label}, "
        "{seconds} and {box} for track.",
    )
    seed: int = Field(default=0, description="Chooses among languages, phrasings, labels and objects to ask for.")
    row_group_mb: float = Field(
        default=32.0,
        gt=0,
        description="Pictures are written in groups of about this many megabytes; bounds the memory of a build.",
    )
    shard_mb: float = Field(default=512.0, gt=0, description="A parquet file is closed at about this many megabytes.")
