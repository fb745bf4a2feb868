"""Frames and objects become questions and answers: the canonical dataset, and its views in other tools' formats."""

from sam2_assets.instructions.building import DatasetSummary, build_dataset
from sam2_assets.instructions.reading import load_samples
from sam2_assets.instructions.rows import Conversation, Row, RowObject, main_object, read_rows, sample_id
from sam2_assets.instructions.sample import Sample, SampleObject, box_marker
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.instructions.tasks import TASKS
from sam2_assets.instructions.views import VIEWS, write_view

__all__ = [
    "TASKS",
    "VIEWS",
    "Conversation",
    "DatasetSummary",
    "InstructionSettings",
    "Row",
    "RowObject",
    "Sample",
    "SampleObject",
    "box_marker",
    "build_dataset",
    "load_samples",
    "main_object",
    "read_rows",
    "sample_id",
    "write_view",
]
