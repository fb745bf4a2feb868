"""The engine under the name that the launcher's tests use, too."""

from __future__ import annotations

from sam2_assets_tests.launcher.conftest import engine

__all__ = ["engine"]
