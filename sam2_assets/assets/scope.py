"""The two places the training line stands in: once per video, and once for the corpus of all videos."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from sam2_assets.partitions import videos
from sam2_assets.quality import CHECKS, Severity, Stage

SOUND_TABLES = tuple(
    check for check in CHECKS if check.severity is Severity.ERROR and check.gates is Stage.INSTRUCTION_DATASET
)
FIT_TO_TRAIN = tuple(
    check for check in CHECKS if check.severity is Severity.ERROR and check.gates is Stage.TRAINING_PLAN
)
LEAKAGE_GATE = "no_leakage"
SIZE_GATE = "enough_samples"
PLAN_GATES = ("fits_card", "within_budget", "enough_training_samples", "has_validation_samples")


@dataclass(frozen=True)
class Scope:
    """Key prefix, partitions and UI group of one line of assets."""

    prefix: tuple[str, ...]
    partitions: dg.PartitionsDefinition[str] | None
    group: str

    def key(self, name: str) -> dg.AssetKey:
        """The asset of that name in this scope."""
        return dg.AssetKey([*self.prefix, name])

    def gate(self, asset: str, name: str) -> dg.AssetCheckKey:
        """A check of an asset in this scope."""
        return dg.AssetCheckKey(self.key(asset), name)

    @property
    def table_gates(self) -> list[dg.AssetCheckKey]:
        """What must hold before ``instruction_dataset`` reads the tables."""
        return [self.gate("raw_export", check.id) for check in SOUND_TABLES]

    @property
    def split_gates(self) -> list[dg.AssetCheckKey]:
        """What must hold before ``training_plan`` reads the splits."""
        quality = [] if self.partitions is None else [check.id for check in FIT_TO_TRAIN]
        return [self.gate("splits", name) for name in (*quality, LEAKAGE_GATE, SIZE_GATE)]

    @property
    def member_gates(self) -> list[dg.AssetCheckKey]:
        """What must hold before the corpus takes in a video's splits: one too short to be tested on may still teach."""
        return [gate for gate in self.split_gates if gate.name != SIZE_GATE]

    @property
    def plan_gates(self) -> list[dg.AssetCheckKey]:
        """What must hold before ``lora_adapter`` executes the plan."""
        return [self.gate("training_plan", name) for name in PLAN_GATES]


VIDEO = Scope((), videos, "video")
CORPUS = Scope(("corpus",), None, "corpus")
