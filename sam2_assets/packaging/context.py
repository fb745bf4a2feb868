"""The image's build context: Dockerfile, pinned requirements, this package's source, the model repository.

```
Dockerfile  requirements.txt  app/sam2_assets/…  model/…  [base/…]
```
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import jinja2

from sam2_assets.errors import PackagingError
from sam2_assets.packaging.fingerprint import PACKAGE, source_files
from sam2_assets.packaging.requirements import pinned
from sam2_assets.packaging.serving import BASE_VARIABLE, Serving
from sam2_assets.packaging.settings import DeploymentSettings

APP_FOLDER: Final = "app"
MODEL_FOLDER: Final = "model"
BASE_FOLDER: Final = "base"


@dataclass(frozen=True)
class Context:
    """A written build context: its folder, a hash over all its files, and how many there are."""

    folder: Path
    sha256: str
    files: int


def write_context(repository: Path, base_model: str, out: Path, settings: DeploymentSettings) -> Context:
    """Write the context into the folder ``out``; the same inputs give the same bytes.

    Args:
        repository: folder that ``write_repository`` wrote.
        base_model: folder or hub id of the base model; copied only if the settings say so.
        out: made if absent; must be empty.
        settings: base image, whether the base model is copied.

    Raises:
        PackagingError: ``not_a_repository``, ``context_not_empty``, ``distribution_missing``, ``base_not_a_folder``.
    """
    serving = Serving.read(repository)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise PackagingError(
            "context_not_empty", "the folder is not empty", file=str(out), remedy="Give a new or empty folder."
        )
    for path in source_files():
        target = out / APP_FOLDER / PACKAGE.name / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.copytree(repository, out / MODEL_FOLDER, copy_function=shutil.copyfile)
    if settings.include_base:
        _copy_base(base_model, out / BASE_FOLDER)
    (out / "requirements.txt").write_text("\n".join(pinned()) + "\n", encoding="utf-8")
    template = jinja2.Template(
        files("sam2_assets.packaging").joinpath("Dockerfile.j2").read_text(encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    text = template.render(
        base_image=settings.base_image,
        include_base=settings.include_base,
        base_variable=BASE_VARIABLE,
        base_name=serving.base.name.replace("\n", " "),
        on_hub=serving.base.commit is not None,
    )
    (out / "Dockerfile").write_text(text, encoding="utf-8")
    return read_context(out)


def read_context(folder: Path) -> Context:
    """A written context as it is now."""
    listing = {p.relative_to(folder).as_posix(): _digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    digest = hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()
    return Context(folder, digest, len(listing))


def _copy_base(base_model: str, target: Path) -> None:
    folder = Path(base_model).expanduser()
    if not folder.is_dir():
        raise PackagingError(
            "base_not_a_folder",
            "include_base copies a folder, and the base model is not one on this machine",
            field="base_model",
            value=base_model,
            remedy="Download the base model to a folder and name it, or leave include_base off.",
        )
    shutil.copytree(folder, target, copy_function=shutil.copyfile)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
