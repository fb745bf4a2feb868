"""One small video and its dataset with every task and every view, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam2_assets.instructions import TASKS, VIEWS, InstructionSettings, build_dataset
from sam2_assets_tests.instructions.raw_builder import Shot, Thing, build_raw, moving_shots

EVERYTHING = InstructionSettings(
    tasks=list(TASKS), formats=list(VIEWS), languages=["en", "de", "zh"], polygons=True, none_share=0.5
)


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames with objects (one of them also with an empty mask), one without picture, one without object."""
    shots = moving_shots(12)
    shots[4] = Shot(24, [*shots[4].things, Thing(9, "ghost", (0, 0, 0, 0))])
    shots.append(Shot(200, [Thing(0, "crate", (3, 3, 4, 4))], picture=False))
    shots.append(Shot(210, [Thing(0, "crate", (0, 0, 0, 0))]))
    return build_raw(tmp_path_factory.mktemp("raw") / "raw", shots)


@pytest.fixture(scope="session")
def dataset(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of ``raw``."""
    out = tmp_path_factory.mktemp("dataset") / "dataset"
    build_dataset(raw, out, EVERYTHING)
    return out
