"""The finished folder: built once, recognised by its content, visible only when complete."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from sam2_assets.errors import TrainingError
from sam2_assets.training.demo_base.weights import LANGUAGE, VISION

FINGERPRINT_FILE = "fingerprint.json"


def publish_demo_base(out: Path) -> Path:
    """Build the model beside ``out`` and rename it there, unless ``out`` already holds exactly that model.

    Raises:
        TrainingError: ``weights_not_installed``, ``weights_unreadable``, or ``folder_taken`` if ``out`` exists and
            holds something else.
    """
    if is_published(out):
        return out
    if out.exists():
        raise TrainingError(
            "folder_taken",
            "the folder exists and is not this version's base model, or was changed",
            file=str(out),
            remedy="Delete the folder, or name another one.",
        )
    from sam2_assets.training.demo_base.assembly import assemble

    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        assemble(draft)
        (draft / FINGERPRINT_FILE).write_text(json.dumps(_fingerprint(draft), indent=2, sort_keys=True) + "\n")
        _open_to_all(draft)
        try:
            draft.rename(out)
        except OSError:
            # Somebody else was faster; theirs serves as well as ours if it is whole.
            if not is_published(out):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out


def _open_to_all(folder: Path) -> None:
    # A temporary folder, and what safetensors writes, is private; serving containers read it as another user.
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


def is_published(folder: Path) -> bool:
    """Whether ``folder`` holds a complete, unchanged model that this code built from the installed weights."""
    record = folder / FINGERPRINT_FILE
    if not record.is_file():
        return False
    try:
        return bool(json.loads(record.read_text()) == _fingerprint(folder))
    except (OSError, json.JSONDecodeError):
        return False


def _fingerprint(folder: Path) -> dict[str, object]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FINGERPRINT_FILE)
    return {
        "made_from": {package.distribution: _sha256(package.file()) for package in (LANGUAGE, VISION)},
        "made_by": hashlib.sha256(b"".join(path.read_bytes() for path in _code())).hexdigest(),
        "files": {str(path.relative_to(folder)): _sha256(path) for path in files},
    }


def _code() -> list[Path]:
    """The modules that decide the bytes."""
    here = Path(__file__).parent
    return [here / name for name in ("assembly.py", "efficientnet_lite.py", "vision_tower.py")]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
