"""``requirements.txt`` of the image: the versions installed here, of what the server needs, down to the last one.

The answers are compared in this very environment, so these are the versions the comparison speaks for.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sam2_assets.errors import PackagingError

SERVED: Final = (
    "accelerate",
    "fastapi",
    "huggingface_hub",
    "jinja2",
    "numpy",
    "orjson",
    "pandas",
    "pandera",
    "peft",
    "pillow",
    "pyarrow",
    "pydantic",
    "python-multipart",
    "PyYAML",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
)
"""What the server's code imports (a test lets it import nothing else); their own requirements are added."""


def pinned(roots: Iterable[str] = SERVED) -> list[str]:
    """``name==version`` of every root and all it requires on this machine, sorted.

    A version's local part (``+cpu``) is left out: indexes serve it under the public version.

    Raises:
        PackagingError: ``distribution_missing`` if one of them is not installed.
    """
    return [f"{name}=={version.partition('+')[0]}" for name, version in installed(roots).items()]


def installed(roots: Iterable[str] = SERVED) -> dict[str, str]:
    """The version, local part included, of every root and all it requires on this machine, sorted by name.

    Raises:
        PackagingError: ``distribution_missing`` if one of them is not installed.
    """
    versions: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        key = canonicalize_name(name)
        if key in versions:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise PackagingError(
                "distribution_missing",
                "a library that the server needs is not installed",
                value=name,
                remedy="Install the package with all its requirements: pip install sam2-assets.",
            ) from error
        versions[key] = found.version
        for text in found.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return dict(sorted(versions.items()))
