"""The same input, settings and seed give the same bytes in two processes, whatever strategy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hashlib, sys
from pathlib import Path
from sam2_assets.splitting import SplitSettings, parse_custom, split
from sam2_assets_tests.splitting.members import corpus
members = corpus(12)
rows = "video,first_frame,last_frame,split\\n" + "".join(f"{m.partition},0,20,train\\n" for m in members)
for strategy in ("temporal", "video", "stratified", "random", "custom"):
    out = Path(sys.argv[1]) / strategy
    custom = parse_custom(rows.encode(), "splits.csv")
    split(members, out, SplitSettings(strategy=strategy, max_train_frames_per_video=15), custom=custom)
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        print(strategy, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    printed = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / seed)]
        printed.append(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert printed[0] == printed[1]
    assert printed[0].count("\n") == 5 * 4
