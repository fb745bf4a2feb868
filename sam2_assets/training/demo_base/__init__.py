"""The demo's base model, put together on this machine from two weight-carrying packages of the package index.

Importing this package loads neither torch nor transformers; ``build_demo_base`` does.
"""

from __future__ import annotations

from pathlib import Path


def build_demo_base(out: Path) -> Path:
    """Build the base model in folder ``out``, unless it already holds it, and return ``out``.

    Args:
        out: folder to publish; its parent is made. It appears by one rename, complete or not at all.

    Raises:
        TrainingError: ``weights_not_installed``, ``weights_unreadable`` or ``folder_taken``.
    """
    from sam2_assets.training.demo_base.publishing import publish_demo_base

    return publish_demo_base(out)


__all__ = ["build_demo_base"]
