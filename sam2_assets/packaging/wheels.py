"""The wheels of an image's requirements, collected by this machine's own pip.

The build installs only from them and has no network. So no index, certificate or password of this machine gets into
the image, and the libraries are exactly those of the process that the evaluation ran in.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from sam2_assets.errors import PackagingError
from sam2_assets.storage.cache import cache_folder

WHEELS_VARIABLE: Final = "SAM2_ASSETS_WHEELS"
_LAST_LINES: Final = 3


def wheel_folder() -> Path:
    """``$SAM2_ASSETS_WHEELS``, as for ``docker/build.sh``; else ``wheels`` in the cache."""
    chosen = os.environ.get(WHEELS_VARIABLE)
    return Path(chosen) if chosen else cache_folder() / "wheels"


def collect_wheels(versions: Mapping[str, str], folder: Path | None = None) -> list[Path]:
    """The wheel of every distribution, sorted; pip is asked for those that the folder lacks.

    Args:
        versions: exact version by normalised name, see ``requirements.installed``.
        folder: where they are kept; made if absent. Default: :func:`wheel_folder`.

    Raises:
        PackagingError: ``wheels_not_collected`` with pip's own words.
    """
    kept = folder or wheel_folder()
    kept.mkdir(parents=True, exist_ok=True)
    missing = [f"{name}=={version}" for name, version in versions.items() if (name, version) not in _found(kept)]
    if missing:
        try:
            _add(missing, kept)
        except OSError as error:
            raise _not_collected(missing, str(error), kept) from error
    found = _found(kept)
    return sorted(found[name, version] for name, version in versions.items())


def _add(pins: Sequence[str], kept: Path) -> None:
    # Beside the others only when it is whole: a run may be killed in the middle.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=kept) as new:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--wheel-dir", new, "--find-links", str(kept), *pins]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = _found(Path(new))
        lacking = [pin for pin in pins if tuple(pin.split("==")) not in found]
        if done.returncode != 0 or lacking:
            said = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
            raise _not_collected(lacking or pins, said or "pip said nothing", kept)
        for wheel in found.values():
            wheel.replace(kept / wheel.name)


def _not_collected(pins: Sequence[str], problem: str, kept: Path) -> PackagingError:
    return PackagingError(
        "wheels_not_collected",
        f"pip could not get {', '.join(pins)}: {problem}",
        file=str(kept),
        remedy="Configure pip on this machine (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_CERT), or put the "
        f"wheels into a folder and name it in {WHEELS_VARIABLE}.",
    )


def _found(folder: Path) -> dict[tuple[str, str], Path]:
    wheels: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        wheels[canonicalize_name(name), str(version)] = path
    return wheels
