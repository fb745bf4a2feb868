"""Models small enough for tests, with the real architectures; the tiny LLaVA is in the conftest of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_qwen2_5_vl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sam2_assets_tests.training.tiny_models import build_tiny_qwen2_5_vl

    return build_tiny_qwen2_5_vl(tmp_path_factory.mktemp("tiny-qwen2-5-vl"))


@pytest.fixture(scope="session")
def tiny_qwen2_vl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sam2_assets_tests.training.tiny_models import build_tiny_qwen2_vl

    return build_tiny_qwen2_vl(tmp_path_factory.mktemp("tiny-qwen2-vl"))


@pytest.fixture(scope="session")
def tiny_qwen3_vl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sam2_assets_tests.training.tiny_models import build_tiny_qwen3_vl

    return build_tiny_qwen3_vl(tmp_path_factory.mktemp("tiny-qwen3-vl"))


@pytest.fixture(scope="session")
def tiny_instructblip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sam2_assets_tests.training.tiny_models import build_tiny_instructblip

    return build_tiny_instructblip(tmp_path_factory.mktemp("tiny-instructblip"))


@pytest.fixture(scope="session")
def demo_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's real base model (20 s of one core, 560 MB on disk)."""
    from sam2_assets.errors import TrainingError
    from sam2_assets.training.demo_base import build_demo_base

    try:
        return build_demo_base(tmp_path_factory.mktemp("demo") / "base")
    except TrainingError as error:
        if error.code != "weights_not_installed":
            raise
        pytest.skip(f"absent weight packages: {error.remedy}")
