"""``python -m sam2_assets.training.demo_base --out DIR`` builds the demo's base model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sam2_assets.errors import TrainingError
from sam2_assets.training.demo_base import build_demo_base


def main(arguments: list[str] | None = None) -> int:
    """Build, print the folder; exit status 1 and one line on standard error if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets.training.demo_base", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to build, e.g. data/demo-base")
    try:
        print(build_demo_base(parser.parse_args(arguments).out))
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
