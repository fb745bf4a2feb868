"""From a build context to a named image that was seen to answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sam2_assets.errors import PackagingError
from sam2_assets.packaging.context import APP_FOLDER, Context
from sam2_assets.packaging.engine import Engine
from sam2_assets.packaging.fingerprint import PACKAGE, code_sha256
from sam2_assets.packaging.requirements import installed
from sam2_assets.packaging.settings import DeploymentSettings
from sam2_assets.packaging.verification import Question, verify
from sam2_assets.packaging.wheels import collect_wheels

LATEST: Final = "latest"
_VERSION_LENGTH: Final = 12
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9]+")


def repository_of(name: str, settings: DeploymentSettings) -> str:
    """Where images of a partition are named: ``<repository>/<name>``, the name in what registries allow."""
    return f"{settings.repository.rstrip('/')}/{_NOT_IN_A_NAME.sub('-', name.lower()).strip('-')}"


def build_and_verify(
    engine: Engine,
    context: Context,
    name: str,
    base_model: str,
    questions: Sequence[Question],
    settings: DeploymentSettings,
    progress: Callable[[int, int], None],
    log: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build, start, ask, and only then name it ``<repository>/<name>:<version>`` and ``:latest``.

    The version is the beginning of the context's hash: the same model in the same code has the same version.

    Args:
        engine: builds and runs it.
        context: see ``write_context``.
        name: a partition, or ``corpus``.
        base_model: folder or hub id.
        questions: what to ask, and the answers that count.
        settings: where it is named, limits, whether it is pushed.
        progress: called with (asked, of).
        log: takes the engine's words.

    Returns:
        What ``verify`` returns; and what was built: ``{"built", "image_id", "tags", "pushed_digest", "size_bytes",
        "build_s", "engine"}``.

    Raises:
        PackagingError: see ``collect_wheels``, ``Engine.build``, ``Engine.serving``, ``verify``, ``Engine.push``.
    """
    started = time.perf_counter()
    image = engine.build(context.folder, collect_wheels(installed()), log)
    build_s = time.perf_counter() - started
    repository, version = repository_of(name, settings), context.sha256[:_VERSION_LENGTH]
    try:
        serving = engine.serving(image, repository, base_model, settings)
        code = code_sha256(context.folder / APP_FOLDER / PACKAGE.name)
        verification = verify(serving, code, questions, settings, progress)
    except PackagingError:
        engine.discard(image)
        raise
    tags = engine.tag(image, repository, (version, LATEST))
    pushed = None
    if settings.push:
        pushed = engine.push(repository, version, log)
        engine.push(repository, LATEST, log)
    return verification, {
        "built": True,
        "image_id": image,
        "tags": tags,
        "pushed_digest": pushed,
        "size_bytes": engine.size(image),
        "build_s": round(build_s, 1),
        "engine": engine.version,
    }
