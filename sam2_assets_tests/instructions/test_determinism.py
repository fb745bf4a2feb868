from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BUILD = """
import hashlib, sys
from pathlib import Path
from sam2_assets.instructions import TASKS, VIEWS, InstructionSettings, build_dataset
from sam2_assets.splitting import Source, SplitSettings, split
assert "datasets" not in sys.modules, "importing the packages must stay light"
raw, out = Path(sys.argv[1]), Path(sys.argv[2])
summary = build_dataset(raw, out / "dataset", InstructionSettings(tasks=list(TASKS), formats=list(VIEWS)))
source = Source(summary.video_id, "p", out / "dataset", {"path": "a/b", "sha256": "0"}, {"gate": "reason"})
split([source], out / "splits", SplitSettings(guard_gap_s=0.3))
assert not {"torch", "dagster"} & set(sys.modules), "domain code must not load torch or dagster"
for path in sorted(path for path in out.rglob("*") if path.is_file()):
    print(path.relative_to(out), hashlib.sha256(path.read_bytes()).hexdigest())
"""


def published(raw: Path, out: Path, hash_seed: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", BUILD, str(raw), str(out)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "Asia/Tokyo" if hash_seed == "1" else "UTC"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_two_processes_publish_the_same_bytes_without_loading_torch(raw: Path, tmp_path: Path) -> None:
    first = published(raw, tmp_path / "one", "1")
    assert first == published(raw, tmp_path / "another/place", "2")
    assert "dataset/data/train-00000.parquet" in first
    assert "splits/splits.parquet" in first
    assert str(tmp_path).encode() not in b"".join(p.read_bytes() for p in (tmp_path / "one").rglob("*.json"))
