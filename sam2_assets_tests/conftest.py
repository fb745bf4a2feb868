"""Fixtures that every part of the suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_EXPORTS = Path(__file__).resolve().parents[2] / "shared" / "exports"


@pytest.fixture(scope="session")
def shared_exports() -> Path:
    """Real exports that lie beside the checkout; they may not be redistributed, so elsewhere the test is skipped."""
    if not SHARED_EXPORTS.is_dir():
        pytest.skip("absent ../shared: real exports are not redistributable")
    return SHARED_EXPORTS
