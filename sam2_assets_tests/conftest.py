"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sam2_assets.assets.lineage import current
from sam2_assets.assets.scope import Scope
from sam2_assets.cli.instance import Outcome, Platform, Say, add_partition, open_platform, run_here
from sam2_assets.sample import SampleVideo, write_sample
from sam2_assets.store import write_atomically

SHARED_EXPORTS = Path(__file__).resolve().parents[2] / "shared" / "exports"


@pytest.fixture(scope="session")
def shared_exports() -> Path:
    """Real exports that lie beside the checkout; they may not be redistributed, so elsewhere the test is skipped."""
    if not SHARED_EXPORTS.is_dir():
        pytest.skip("absent ../shared: real exports are not redistributable")
    return SHARED_EXPORTS


@dataclass(frozen=True)
class Home:
    """A Dagster home of its own with a store: ``run`` executes a job in this process, ``command`` the real command."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "var" / "store"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "DAGSTER_HOME": str(self.folder), "SAM2_ASSETS_ROOT": str(self.store)}

    def write_settings(self, text: str, name: str = "settings.yaml") -> None:
        write_atomically(self.store / name, text.encode())

    def command(self, *arguments: object, check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "sam2_assets", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", str(self.folder))
            patch.setenv("SAM2_ASSETS_ROOT", str(self.store))
            with open_platform() as platform:
                yield platform

    def run(self, platform: Platform, job: str, partition: str | None) -> Outcome:
        if partition is not None:
            add_partition(platform.instance, partition)
        return run_here(platform, job, partition, Say("  "))

    def artifact(self, platform: Platform, scope: Scope, name: str, partition: str | None) -> Path:
        found = current(platform.instance, scope.key(name), partition)
        assert found is not None, name
        return platform.store.open().open(found.ref)


def new_home(folder: Path) -> Home:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parents[1] / "dagster.yaml", folder / "dagster.yaml")
    return Home(folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


@pytest.fixture(scope="session")
def sample_videos(tmp_path_factory: pytest.TempPathFactory) -> list[SampleVideo]:
    """Two videos of the built-in sample, every sixth frame annotated."""
    return write_sample(tmp_path_factory.mktemp("sample"), seed=3, videos=2, target_fps=5, workers=1)
