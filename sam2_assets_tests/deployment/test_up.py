"""``docker/up.sh`` takes what ``docker/.env`` may hold: values with blanks, without quotes, as compose reads them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_cron_and_a_list_of_addresses_in_the_environment_file_are_not_run_as_commands(tmp_path: Path) -> None:
    folder, programs = tmp_path / "docker", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    shutil.copy(ROOT / "docker" / "up.sh", folder)
    script(folder / "build.sh", "exit 0")
    script(programs / "docker", "exit 0")
    ran = tmp_path / "ran"
    (folder / ".env").write_text(
        f"SAM2_ASSETS_AUTOMATION_RETRAIN=0 touch {ran}\n"
        f"SAM2_ASSETS_NOTIFY=jsons://one.example.org/?a=1&touch={ran} jsons://two.example.org/\n"
        "WEBSERVER_PORT=3100\nSTORAGE_PORT='8400'\n",
        encoding="utf-8",
    )
    path = f"{programs}:/usr/bin:/bin"
    done = subprocess.run(
        [folder / "up.sh"], env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not ran.exists()
    assert done.stdout.splitlines()[-1] == (
        "Dagster: http://127.0.0.1:3100  TensorBoard: http://127.0.0.1:6006  S3: http://127.0.0.1:8400"
    )
