"""Prints the requirements of an image, read from ``pyproject.toml``, so that there is one list of pins.

Usage: ``python requirements.py platform|serving pyproject.toml``. It runs inside the base image: standard library only.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

NOT_SERVED = re.compile(
    r"^(dagster|numba|scipy|opencv|pycocotools|imagehash|av|datasets|tensorboard|packaging|boto3|typer|rich|"
    r"matplotlib|httpx=|simplejpeg|apprise|docker|ImageHash)"
)
"""What only the graph, the importer and the training need; ``sam2_assets.packaging.requirements`` lists the rest."""


def main(image: str, project: str) -> None:
    """Print one requirement a line."""
    pins: list[str] = tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"]["dependencies"]
    print("\n".join(pin for pin in pins if image == "platform" or not NOT_SERVED.match(pin)))


if __name__ == "__main__":
    main(*sys.argv[1:])
