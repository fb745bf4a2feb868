"""The measured line, for the evaluation's own tests."""

from __future__ import annotations

import pytest

from sam2_assets_tests.evaluation.line import Line, measured_line


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return measured_line(tmp_path_factory.getbasetemp())
