"""The requirements of the images are those of ``pyproject.toml``: all of them, or what a served adapter imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sam2_assets.packaging.requirements import pinned

ROOT = Path(__file__).parents[2]
BROUGHT_ALONG = {"packaging", "rich", "typer"}
"""What transformers and its like require themselves."""


def listed(image: str) -> set[str]:
    command = [sys.executable, ROOT / "docker" / "requirements.py", image, ROOT / "pyproject.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {canonicalize_name(Requirement(line).name) for line in done.stdout.splitlines()}


def test_the_platform_has_every_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert listed("platform") == {canonicalize_name(Requirement(pin).name) for pin in project["dependencies"]}


def test_serving_has_what_a_served_adapter_imports_and_nothing_else() -> None:
    served = {canonicalize_name(Requirement(pin).name) for pin in pinned()}
    assert listed("serving") == (listed("platform") & served) - BROUGHT_ALONG
