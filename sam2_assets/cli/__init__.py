"""The command ``sam2-assets``: the same code as the assets call, for a terminal."""

from sam2_assets.cli.app import main

__all__ = ["main"]
